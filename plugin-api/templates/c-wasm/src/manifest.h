/* What the plugin says about itself. As plugin.toml; a test compares them. */
#define MANIFEST "{\"name\": \"{{name}}\", \"version\": \"0.1.0\", \"kinds\": [\"user-verifier\"], \"wants\": [\"crypto\"]}"

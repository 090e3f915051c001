//! What `bindgen!` makes of the WIT, and the way between its types and the SDK's.
//!
//! One world with every export: the kinds are looked up one by one, so a component needs to have only some of them.

wasmtime::component::bindgen!({
    path: "../plugin-api/wit",
    inline: "
        package pintle:server;
        world any-plugin {
            include pintle:plugin/host@0.1.0;
            export pintle:plugin/lifecycle@0.1.0;
            export pintle:plugin/user-verifier@0.1.0;
            export pintle:plugin/scope-policy@0.1.0;
            export pintle:plugin/token-format@0.1.0;
            export pintle:plugin/directory@0.1.0;
            export pintle:plugin/claims@0.1.0;
            export pintle:plugin/account-source@0.1.0;
            export pintle:plugin/event-sink@0.1.0;
            export pintle:plugin/extension-grant@0.1.0;
        }
    ",
    imports: {
        "pintle:plugin/kv": async,
        "pintle:plugin/accounts": async,
        "pintle:plugin/http": async,
        "pintle:plugin/crypto.password-verify": async,
        "pintle:plugin/random.bytes": trappable,
    },
    exports: { default: async },
});

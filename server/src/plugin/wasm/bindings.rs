//! What `bindgen!` makes of the WIT, and the way between its types and the SDK's.
//!
//! One world with every export: the kinds are looked up one by one, so a component needs to have only some of them.

wasmtime::component::bindgen!({
    path: "../plugin-api/wit",
    inline: "
        package pintle:server;
        world any-plugin {
            include pintle:plugin/host@1.0.0;
            export pintle:plugin/lifecycle@1.0.0;
            export pintle:plugin/user-verifier@1.0.0;
            export pintle:plugin/scope-policy@1.0.0;
            export pintle:plugin/token-format@1.0.0;
            export pintle:plugin/directory@1.0.0;
            export pintle:plugin/claims@1.0.0;
            export pintle:plugin/account-source@1.0.0;
            export pintle:plugin/event-sink@1.0.0;
            export pintle:plugin/extension-grant@1.0.0;
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

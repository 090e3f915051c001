//! Makes components from the text of a core module.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract with a world for the guests below.
pub(in crate::plugin) fn wit() -> String {
    wit_of(include_str!("../../../../plugin-api/wit/pintle.wit"))
}

/// `contract` and the world of a user verifier.
pub(in crate::plugin) fn wit_of(contract: &str) -> String {
    format!("{contract}\nworld guest {{ include lifecycle-plugin; include user-verifier-plugin; }}")
}

/// A guest of kind `user-verifier`. Its result area is at 4096, all zero: an `accepted` of empty strings.
pub(in crate::plugin) struct Guest {
    pub imports: &'static str,
    pub verify_name: &'static str,
    pub verify: String,
}

impl Guest {
    pub(in crate::plugin) fn verify(body: &str) -> Self {
        Self { imports: "", verify_name: "verify", verify: body.to_owned() }
    }

    /// Rejects with the number of calls that this instance has had, one digit.
    pub(in crate::plugin) fn counting() -> Self {
        Self::verify("(call $reject-with-count)")
    }

    /// The same once another call waits at the same place.
    pub(in crate::plugin) fn meeting() -> Self {
        Self::verify("(call $kv-get (i32.const 2104) (i32.const 4) (i32.const 8192)) (call $reject-with-count)")
    }

    /// Asks for more memory than it may have in its first call, and for a little in the others, which it must get.
    pub(in crate::plugin) fn greedy_first_time() -> Self {
        Self::verify(
            "(if (i32.eqz (global.get $calls))
               (then (drop (memory.grow (i32.const 2000))))
               (else (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))))
             (call $reject-with-count)",
        )
    }

    /// Traps in its second call.
    pub(in crate::plugin) fn trapping_second_time() -> Self {
        Self::verify("(call $reject-with-count) (if (i32.eq (global.get $calls) (i32.const 2)) (then (unreachable)))")
    }

    /// Never ends its second call.
    pub(in crate::plugin) fn looping_second_time() -> Self {
        Self::verify("(call $reject-with-count) (if (i32.eq (global.get $calls) (i32.const 2)) (then (loop (br 0))))")
    }

    fn text(&self) -> String {
        let manifest = r#"{\"name\":\"text\",\"version\":\"1.0.0\",\"kinds\":[\"user-verifier\"]}"#;
        let length = manifest.replace('\\', "").len();
        let Self { imports, verify_name, verify } = self;
        format!(
            r#"(module
              {imports}
              (import "pintle:plugin/log@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))
              (import "pintle:plugin/clock@1.0.0" "now-ms" (func $now (result i64)))
              (import "pintle:plugin/random@1.0.0" "bytes" (func $random (param i32 i32)))
              (import "pintle:plugin/kv@1.0.0" "get" (func $kv-get (param i32 i32 i32)))
              (memory (export "memory") 2)
              (global $top (mut i32) (i32.const 65536))
              (global $calls (mut i32) (i32.const 0))
              (data (i32.const 16) "{manifest}")
              (data (i32.const 2100) "hangmeet")
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                (global.set $top (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              (func $log (call $emit (i32.const 3) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0)))
              (func $reject-with-count
                (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (i32.store8 (i32.const 2000) (i32.add (i32.const 48) (global.get $calls)))
                (i32.store8 (i32.const 4100) (i32.const 1))
                (i32.store (i32.const 4104) (i32.const 2000))
                (i32.store (i32.const 4108) (i32.const 1)))
              (func (export "pintle:plugin/lifecycle@1.0.0#describe") (result i32)
                (i32.store (i32.const 1000) (i32.const 16))
                (i32.store (i32.const 1004) (i32.const {length}))
                (i32.const 1000))
              (func (export "pintle:plugin/lifecycle@1.0.0#validate-config") (param i32 i32) (result i32)
                (i32.const 3000))
              (func (export "pintle:plugin/lifecycle@1.0.0#health")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                (i32.const 3000))
              (func $verify (export "pintle:plugin/user-verifier@1.0.0#{verify_name}") (param i32) (result i32)
                {verify}
                (i32.const 4096)))"#
        )
    }
}

/// The component of `guest` by the contract `wit`.
pub(in crate::plugin) fn component(wit: &str, guest: &Guest) -> Vec<u8> {
    let mut resolve = Resolve::default();
    if wit.contains("evil:net") {
        resolve.push_str("evil.wit", "package evil:net; interface http { get: func(); }").unwrap();
    }
    let package = resolve.push_str("pintle.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wat::parse_str(guest.text()).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

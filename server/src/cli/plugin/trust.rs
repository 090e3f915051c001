//! Keys and signatures: `plugin keygen | sign | verify | inspect`.

use super::args::{Inspect, Keygen, Sign, Verify};
use super::file;
use crate::cli::exit::Failure;
use crate::cli::open::Opening;
use crate::cli::text;
use pintle::keys::vendor::{PublicKey, VendorKey};
use pintle::plugin::build;
use pintle::plugin::bundle::{Bundle, BundleSignature, Code, Part};
use pintle::plugin::private_dir::sha256_hex;
use serde_json::{Value, json};

pub fn keygen(open: &Opening, json: bool, args: &Keygen) -> Result<(), Failure> {
    let key = VendorKey::generate(&*open.surroundings.entropy);
    let failed = |error| Failure::refused(format!("{}: {error}", args.out.display()));
    key.save(&args.out).map_err(failed)?;
    let public = key.public();
    text::answer(json, &json!({ "public_key": public.to_string(), "id": public.id(), "private_key_file": args.out }));
    Ok(())
}

pub fn sign(json: bool, args: &Sign) -> Result<(), Failure> {
    let failed = |error| Failure::refused(format!("{}: {error}", args.key.display()));
    let key = VendorKey::read(&args.key).map_err(failed)?;
    let mut bundle = file::read(&args.file)?;
    bundle.sign(&key).map_err(Failure::refused)?;
    file::write(&args.file, &bundle)?;
    let public = key.public();
    let sha256 = sha256_hex(&bundle.to_bytes());
    let answer = json!({ "file": args.file, "sha256": sha256, "signed_by": public.to_string(), "id": public.id() });
    text::answer(json, &answer);
    Ok(())
}

pub fn verify(open: &Opening, json: bool, args: &Verify) -> Result<(), Failure> {
    let given = if !args.key.is_empty() {
        args.key.clone()
    } else if open.sources.config.is_some() {
        open.load()?.config.trust.keys
    } else {
        return Err(Failure::usage("say whom to trust: --key, or --config with trust.keys"));
    };
    let key = |text: &String| PublicKey::parse(text).ok_or_else(|| Failure::usage(format!("{text} is no public key")));
    let trusted = given.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    let bundle = file::read(&args.file)?;
    let signer = bundle.signed_by(&trusted).ok_or_else(|| {
        let claimed: Vec<String> = bundle.signatures().iter().map(|signature| signature.key.id()).collect();
        let claimed = if claimed.is_empty() { "nobody".to_owned() } else { claimed.join(", ") };
        Failure::refused(format!("{}: not signed by a trusted key, but by {claimed}", args.file.display()))
    })?;
    let about = bundle.about();
    let answer = json!({
        "name": about.name, "version": about.version, "signed_by": signer.to_string(), "id": signer.id(),
        "sha256": sha256_hex(&bundle.to_bytes()),
    });
    text::answer(json, &answer);
    Ok(())
}

pub fn inspect(json: bool, args: &Inspect) -> Result<(), Failure> {
    let bundle = file::read(&args.file)?;
    let about = bundle.about();
    let part =
        |(part, sha256, bytes): (Part, String, usize)| json!({ "name": part.name(), "sha256": sha256, "bytes": bytes });
    let answer = json!({
        "name": about.name,
        "version": about.version,
        "kinds": about.kinds,
        "wants": about.wants,
        "has_schema": bundle.schema().is_some(),
        "imports": imports(&bundle)?,
        "sha256": sha256_hex(&bundle.to_bytes()),
        "parts": bundle.parts().map(part).collect::<Vec<_>>(),
        "signatures": bundle.signatures().iter().map(|it| signature(&bundle, it)).collect::<Vec<_>>(),
    });
    text::answer(json, &answer);
    Ok(())
}

fn imports(bundle: &Bundle) -> Result<Value, Failure> {
    match bundle.code() {
        Code::Component(component) => Ok(json!(build::interfaces(component).map_err(Failure::refused)?.imports)),
        Code::Libraries => Ok(Value::Null),
    }
}

fn signature(bundle: &Bundle, signature: &BundleSignature) -> Value {
    let key = signature.key;
    json!({ "key": key.to_string(), "id": key.id(), "valid": bundle.is_signed(signature) })
}

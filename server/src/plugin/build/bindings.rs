//! What C code is compiled with: the header and the glue of a project's world, and the object file that carries its type.

use super::BuildError;
use std::path::Path;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

/// Where the contract is in a project.
const CONTRACT: &str = "sdk/wit/pintle.wit";

/// Writes the bindings of the one world of `<project>/wit` into `folder`: `<world>.h`, `<world>.c` and
/// `<world>_component_type.o`. Files that would stay the same are not touched, so that `make` does nothing twice.
pub(super) fn write(project: &Path, folder: &Path) -> Result<(), BuildError> {
    let files = generate(project).map_err(|error| BuildError::Crate(format!("{}: {error}", project.display())))?;
    std::fs::create_dir_all(folder).map_err(BuildError::io(format!("making {}", folder.display())))?;
    for (name, bytes) in files.iter() {
        let path = folder.join(name);
        if std::fs::read(&path).is_ok_and(|written| written == bytes) {
            continue;
        }
        std::fs::write(&path, bytes).map_err(BuildError::io(format!("writing {}", path.display())))?;
    }
    Ok(())
}

/// The error is a text with the place in the WIT.
fn generate(project: &Path) -> Result<Files, String> {
    let mut resolve = Resolve::default();
    let contract = resolve.push_file(project.join(CONTRACT));
    contract.map_err(|error| resolve.render_error(&error))?;
    let package = resolve.push_dir(project.join("wit"));
    let (package, _) = package.map_err(|error| resolve.render_error(&error))?;
    let world = resolve.select_world(&[package], None).map_err(|error| format!("{error:#}"))?;
    let mut files = Files::default();
    let generated = wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files);
    generated.map_err(|error| format!("{error:#}"))?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::project::{Language, Project};
    use std::path::PathBuf;

    fn project(into: &Path) -> PathBuf {
        named(into, "crm")
    }

    fn named(into: &Path, name: &str) -> PathBuf {
        Project { name: name.to_owned(), language: Language::C, native: false }.make(into).unwrap()
    }

    #[test]
    fn the_bindings_are_what_the_world_says() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let bindings = project.join("build/bindings");
        write(&project, &bindings).unwrap();
        let header = || std::fs::read_to_string(bindings.join("plugin.h")).unwrap();
        assert!(header().contains("bool exports_pintle_plugin_user_verifier_verify("));
        assert!(!header().contains("pintle_plugin_kv_get("));

        let world = project.join("wit/world.wit");
        let text = std::fs::read_to_string(&world).unwrap();
        let import = "import pintle:plugin/kv@1.0.0;\n  import pintle:plugin/crypto@1.0.0;";
        std::fs::write(&world, text.replace("import pintle:plugin/crypto@1.0.0;", import)).unwrap();
        write(&project, &bindings).unwrap();
        assert!(header().contains("bool pintle_plugin_kv_get("));
    }

    #[test]
    fn a_project_may_be_called_as_a_keyword_of_wit() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["type", "stream", "record", "list", "resource", "world", "string", "u8"] {
            let project = named(folder.path(), name);
            write(&project, &project.join("build/bindings")).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn bindings_that_stay_the_same_are_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let bindings = project.join("bindings");
        write(&project, &bindings).unwrap();
        let header = bindings.join("plugin.h");
        let written = std::fs::metadata(&header).unwrap().modified().unwrap();
        let old = written - std::time::Duration::from_secs(3600);
        std::fs::File::options().write(true).open(&header).unwrap().set_modified(old).unwrap();
        write(&project, &bindings).unwrap();
        assert_eq!(std::fs::metadata(&header).unwrap().modified().unwrap(), old);
    }

    #[test]
    fn a_fault_of_the_world_is_named_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        std::fs::write(project.join("wit/world.wit"), "package a:b;\nworld plugin { import x:y/z; }\n").unwrap();
        let error = write(&project, &project.join("bindings")).unwrap_err().to_string();
        assert!(error.contains("world.wit:2"), "{error}");
    }
}

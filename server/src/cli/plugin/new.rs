//! `pintle plugin new`.

use crate::cli::args::{Language as Named, PluginNew};
use crate::cli::exit::Failure;
use crate::cli::text;
use pintle::plugin::project::{Language, Project};
use serde_json::json;
use std::path::PathBuf;

/// Makes the project and says what comes next.
pub fn new(json: bool, options: PluginNew) -> Result<(), Failure> {
    let language = match options.lang {
        Named::Rust => Language::Rust,
        Named::C => Language::C,
        Named::Js => Language::JavaScript,
        Named::Python => Language::Python,
    };
    let project = Project { name: options.name, language, native: options.native };
    let folder = project.make(&options.into.unwrap_or_else(|| PathBuf::from("."))).map_err(Failure::refused)?;
    let (commands, file) = (project.commands(), project.built());
    if json {
        text::print_json(&json!({ "folder": folder, "commands": commands, "file": file }));
        return Ok(());
    }
    let next: String = commands.iter().map(|command| format!("    {command}\n")).collect();
    text::print(&format!(
        "{folder} is a plugin that verifies users by a list. There:\n\n{next}    pintle plugin test {file}{native} --fixtures conformance.toml\n",
        native = if project.native { " --native" } else { "" },
        folder = folder.display()
    ));
    Ok(())
}

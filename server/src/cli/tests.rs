//! The command line itself.

use super::args::Cli;
use clap::{CommandFactory, Parser};

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_example_of_the_help_parses() {
    let mut examples = Vec::new();
    collect(&Cli::command(), &mut examples);
    assert!(examples.len() > 30, "{examples:?}");
    for example in examples {
        let words = words(&example);
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{example}: {error}");
        }
    }
}

#[test]
fn every_command_has_an_example() {
    fn check(command: &clap::Command) {
        if command.get_subcommands().next().is_none() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn what_does_not_belong_together_is_refused() {
    for line in [
        "pintle",
        "pintle token revoke",
        "pintle token revoke abc --user dory",
        "pintle lockout release",
        "pintle lockout release dory --all",
        "pintle lockout release --address nowhere",
        "pintle event replay",
        "pintle event drop abc --all",
        "pintle user add",
        "pintle user add dory --password secret",
        "pintle client add web",
        "pintle client add web --type public --grant implicit",
    ] {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

fn collect(command: &clap::Command, examples: &mut Vec<String>) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let joined = help.replace("\\\n", " ");
    let ours = |line: &str| line.starts_with("  ") && line.contains("pintle ");
    examples.extend(joined.lines().filter(|line| ours(line)).map(str::to_owned));
    command.get_subcommands().for_each(|command| collect(command, examples));
}

/// As a shell would: behind the last pipe, before a redirection, quotes off.
fn words(example: &str) -> Vec<String> {
    let command = example.rsplit('|').next().unwrap_or_default();
    let command = command.split(['<', '>']).next().unwrap_or_default();
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

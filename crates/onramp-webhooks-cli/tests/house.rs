//! Everything that all commands have in common.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod program;

use std::process::Stdio;

use crate::program::{Ran, command, run};

#[tokio::test]
async fn help_is_written_to_standard_output_and_errors_to_standard_error() {
    let help = run(&["--help"]).await;
    assert_eq!((help.code, &*help.err), (Some(0), ""));
    for flag in ["--database-url", "--schema", "--json", "--color", "--utc", "--reveal", "--quiet", "--verbose"] {
        assert!(help.out.contains(flag), "{flag}: {}", help.out);
    }
    for arguments in [&[][..], &["nonsense"], &["--color", "pink", "reconcile"], &["-q", "-v", "man", "x"]] {
        let ran = run(arguments).await;
        assert!(ran.code == Some(2) && ran.out.is_empty() && !ran.err.is_empty(), "{arguments:?}: {ran:?}");
    }
    let version = run(&["--version"]).await;
    assert_eq!((version.code, version.out), (Some(0), format!("onramp-webhooks {}\n", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn every_command_has_examples() {
    let help = run(&["--help"]).await.out;
    let commands = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names: Vec<_> =
        commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(names.len() > 2, "{names:?}");
    for name in names {
        let help = run(&[name, "--help"]).await.out;
        let examples = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{name}: {help}")).1;
        assert!(examples.lines().all(|line| line.starts_with("  ") || line.is_empty()), "{name} ends with examples: {help}");
    }
}

#[tokio::test]
async fn help_does_not_show_the_secrets_of_the_environment() {
    for (name, variable) in
        [("listen", "WERT_SECRET"), ("listen", "INSPECTOR_TOKEN"), ("inspect", "INSPECTOR_TOKEN"), ("inspect", "DATABASE_URL")]
    {
        let mut command = command();
        command.args([name, "--help"]).env(variable, "hush-hush-hush-hush-hush-hush-hush");
        let ran = Ran::of(command).await;
        assert!(ran.code == Some(0) && ran.out.contains(variable) && !ran.out.contains("hush"), "{name}: {}", ran.out);
    }
}

#[tokio::test]
async fn global_flags_stand_before_or_after_the_command() {
    for arguments in [&["--json", "trigger", "list"][..], &["trigger", "list", "--json"]] {
        let ran = run(arguments).await;
        assert!(ran.code == Some(0) && ran.out.starts_with('{'), "{ran:?}");
    }
    for arguments in [
        &["--database-url", "mysql://x", "reconcile", "--api-key", "k"][..],
        &["reconcile", "--api-key", "k", "--database-url", "mysql://x"],
    ] {
        let mut command = command();
        command.args(arguments).env("DATABASE_URL", "sqlite://other.db");
        let ran = Ran::of(command).await;
        assert!(ran.code == Some(2) && ran.err.contains("--database-url: must begin with"), "{arguments:?}: {}", ran.err);
    }
}

#[tokio::test]
async fn a_missing_address_names_the_next_step() {
    let mut command = command();
    command.args(["reconcile", "--api-key", "k"]).env("DATABASE_URL", "");
    let ran = Ran::of(command).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("  → add `--database-url sqlite://shop.db`"), "{}", ran.err);
}

#[tokio::test]
async fn colors_follow_the_flag_and_the_environment() {
    for (flag, variable, is_colored) in [
        ("auto", None, false),
        ("auto", Some(("CLICOLOR_FORCE", "1")), true),
        ("auto", Some(("NO_COLOR", "1")), false),
        ("always", Some(("NO_COLOR", "1")), true),
        ("never", Some(("CLICOLOR_FORCE", "1")), false),
    ] {
        let mut command = command();
        command.args(["--color", flag, "reconcile", "--api-key", "k", "--database-url", "x"]).envs(variable);
        let ran = Ran::of(command).await;
        assert_eq!(ran.err.contains("\x1b[31merror:\x1b[0m"), is_colored, "{flag} {variable:?}: {:?}", ran.err);
    }
}

#[tokio::test]
async fn an_argument_cannot_control_the_terminal() {
    let ran = run(&["reconcile", "--api-key", "k", "--database-url", "sqlite://\x1b[2Jno\u{202e}.db"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("[2Jno") && !ran.err.contains(['\x1b', '\u{202e}']), "{:?}", ran.err);
}

#[tokio::test]
async fn completions_and_manual_pages_name_every_flag() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]).await;
        assert!(script.code == Some(0) && script.out.contains("database-url"), "{shell}: {script:?}");
    }
    assert_eq!(run(&["completions", "cmd"]).await.code, Some(2));

    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert_eq!(run(&["man", pages.to_str().unwrap()]).await.code, Some(0));
    let page = std::fs::read_to_string(pages.join("onramp-webhooks-reconcile.1")).unwrap();
    assert!(page.contains("\\-\\-repair\\-since") && page.contains("\\-\\-database\\-url"), "{page}");

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ran = run(&["man", file.to_str().unwrap()]).await;
    assert!(ran.code == Some(1) && ran.err.contains("writing into"), "{}", ran.err);
}

#[cfg(unix)]
#[tokio::test]
async fn a_closed_pipe_is_not_an_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = command();
    command.args(["completions", "bash"]).stdout(Stdio::from(writer));
    // `output` would replace the pipe.
    let ran = Ran::from(command.spawn().unwrap().wait_with_output().await.unwrap());
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
}

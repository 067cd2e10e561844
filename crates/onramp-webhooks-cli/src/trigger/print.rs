//! Bodies and `curl` commands on standard output, instead of requests.

use std::io::{IsTerminal, stdout};

use clap::ValueEnum;

use super::source::{Shot, Source};
use super::target::Target;
use crate::exit::CliError;
use crate::output::Output;
use crate::text;

/// The form in which requests are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Print {
    /// The bodies, one in each line
    Body,
    /// Commands for a shell
    Curl,
}

/// Prints all requests. Without a target, the commands use the variable `WEBHOOK_URL`.
pub(crate) fn all(source: Source, form: Print, target: Option<&Target>, output: &Output) -> Result<(), CliError> {
    let url = target.map_or_else(|| "\"$WEBHOOK_URL\"".to_owned(), |target| quoted(&target.uri.to_string()));
    for shot in source.flatten() {
        match form {
            Print::Body => body(&shot, output)?,
            Print::Curl => output.lines(&curl(&shot, &url)?)?,
        }
    }
    Ok(())
}

/// Writes the bytes of a body. A file may hold anything, so a terminal gets them escaped.
fn body(shot: &Shot, output: &Output) -> Result<(), CliError> {
    if stdout().is_terminal() {
        return output.lines(&String::from_utf8_lossy(&shot.body));
    }
    output.raw(&shot.body)?;
    output.raw(b"\n")
}

fn curl(shot: &Shot, url: &str) -> Result<String, CliError> {
    let text = str::from_utf8(&shot.body).ok().filter(|text| !text.contains(['\0', '\n']));
    let text = text.ok_or_else(|| CliError::Usage("--print curl: the body is not a line of text".to_owned()))?;
    let body = quoted(&text::escaped_json(text));
    Ok(format!("curl -sS {url} -H 'content-type: {}' --data-binary {body}", shot.content_type))
}

/// Quotes a text for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shot(body: &'static [u8]) -> Shot {
        Shot {
            content_type: "application/json",
            body: bytes::Bytes::from_static(body),
            event_type: String::new(),
            purchase: None,
            pause: Duration::ZERO,
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_passes_the_body_on_as_it_is() {
        let body = r#"{"a":"it's $HOME `id` \\ \"quoted\" é"}"#;
        let command = curl(&shot(body.as_bytes()), "\"$WEBHOOK_URL\"").unwrap();
        let script = command.replacen("curl -sS", "printf '%s|'", 1);
        let shell = std::process::Command::new("sh").args(["-c", &script]).env("WEBHOOK_URL", "http://u").output().unwrap();
        let expected = format!("http://u|-H|content-type: application/json|--data-binary|{body}|");
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), expected);
        assert!(curl(&shot(b"\xff"), "u").is_err() && curl(&shot(b"a\nb"), "u").is_err());
    }
}

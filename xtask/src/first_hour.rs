//! `cargo xtask first-hour`

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::Args;
use onramp_webhooks_guide::blocks;
use xshell::Shell;

use crate::DEBUG;
use crate::readmes::crates;

/// The frameworks that have a chapter `start-FRAMEWORK.md`.
const FRAMEWORKS: [&str; 3] = ["axum", "actix", "warp"];

/// The address in the chapters, in place of which a free one is used.
const ADDRESS: &str = "127.0.0.1:8080";

/// The maximum number of times that a table is read until it has what the guide shows.
const ATTEMPTS: u32 = 1_000;

/// Do what the guide's first chapters say, from `cargo new` to a test purchase, and print the time that it took.
///
/// The commands are those of the chapters, in a new folder. Our crates replace those on crates.io, in the versions of our lock file.
#[derive(Args)]
pub(crate) struct FirstHour {
    /// Only for these frameworks: axum, actix or warp.
    frameworks: Vec<String>,
    /// Build everything from nothing for each framework, as on a new machine. Otherwise, what this workspace has built is used.
    #[arg(long)]
    cold: bool,
}

impl FirstHour {
    pub(crate) fn everywhere() -> Self {
        Self { frameworks: Vec::new(), cold: false }
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        if let Some(unknown) = self.frameworks.iter().find(|name| !FRAMEWORKS.contains(&name.as_str())) {
            bail!("there is no chapter for {unknown}; the frameworks are {}", FRAMEWORKS.join(", "));
        }
        let is_selected = |name: &&str| self.frameworks.is_empty() || self.frameworks.iter().any(|selected| selected == name);
        let mut table = String::new();
        for framework in FRAMEWORKS.into_iter().filter(is_selected) {
            let start = Instant::now();
            Session::begin(sh, framework, self.cold)?
                .follow(sh)
                .with_context(|| format!("following the guide for {framework}"))?;
            writeln!(table, "{framework:<14} credited a purchase after {:>5.1} s", start.elapsed().as_secs_f64())?;
        }
        println!("\n{table}");
        Ok(())
    }
}

/// A new folder, in which somebody follows the guide.
struct Session {
    /// The text of the chapters, with a free address.
    text: String,
    /// Stopped before the folder is removed.
    server: Option<Server>,
    _folder: tempfile::TempDir,
    /// The folder that the last `cd` entered.
    current: PathBuf,
    target: PathBuf,
    is_cold: bool,
    lock: PathBuf,
}

impl Session {
    fn begin(sh: &Shell, framework: &str, cold: bool) -> anyhow::Result<Self> {
        let chapters = [format!("docs/src/start-{framework}.md"), "docs/src/first-purchase.md".to_owned()];
        let chapters: Vec<_> = chapters.iter().map(|chapter| sh.read_file(chapter)).collect::<Result<_, _>>()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let folder = tempfile::tempdir()?;
        let root = sh.current_dir().canonicalize()?;
        let target = if cold { folder.path().join("target") } else { root.join("target") };
        let text = chapters.join("\n").replace(ADDRESS, &address);
        sh.write_file(folder.path().join(".cargo/config.toml"), patches(&root, &crates(sh)?, &text)?)?;
        let (current, lock) = (folder.path().to_owned(), root.join("Cargo.lock"));
        Ok(Self { text, server: None, _folder: folder, current, target, is_cold: cold, lock })
    }

    /// Does what each block says: creates its file, runs its commands, or waits for its text on the server's terminal.
    fn follow(mut self, sh: &Shell) -> anyhow::Result<()> {
        let text = std::mem::take(&mut self.text);
        for block in blocks(&text) {
            match (block.language, block.file) {
                (_, Some(file)) => self.write(sh, file, &block.text)?,
                ("text", None) => block.text.lines().try_for_each(|line| self.server()?.prints(line))?,
                ("console", None) => {
                    block.commands().iter().try_for_each(|command| self.do_command(&command.line, &command.output))?
                }
                (other, None) => bail!("line {}: a block of {other} has no file", block.line),
            }
        }
        self.server().map(|_| ())
    }

    fn write(&self, sh: &Shell, file: &str, text: &str) -> anyhow::Result<()> {
        if file == "Cargo.toml" {
            // The guide must work with all versions to come, and this check with those that are known.
            sh.copy_file(&self.lock, self.current.join("Cargo.lock"))?;
        }
        Ok(sh.write_file(self.current.join(file), text)?)
    }

    fn do_command(&mut self, line: &str, output: &[String]) -> anyhow::Result<()> {
        println!("$ {line}");
        if let Some(folder) = line.strip_prefix("cd ") {
            self.current.push(folder);
            return Ok(());
        }
        if line.contains("cargo run") {
            self.server = Some(Server::start(&mut self.shell(line))?);
            return output.iter().try_for_each(|line| self.server()?.prints(line));
        }
        for attempt in 1..=ATTEMPTS {
            let ran = self.shell(line).output()?;
            ensure!(ran.status.success(), "{}: {}", ran.status, String::from_utf8_lossy(&ran.stderr));
            let written = String::from_utf8_lossy(&ran.stdout);
            let written: Vec<_> = written.lines().collect();
            if output.is_empty() || written == output {
                return Ok(());
            }
            // The application prints a purchase before it is committed, and nobody types that fast.
            let may_be_too_early = line.starts_with("sqlite3") && attempt < ATTEMPTS;
            ensure!(may_be_too_early, "the guide shows {output:?}, but it is {written:?}");
        }
        Ok(())
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(&self.current).env("CARGO_TARGET_DIR", &self.target).stdin(Stdio::null());
        if !self.is_cold {
            shell.env(DEBUG, "0");
        }
        shell
    }

    fn server(&mut self) -> anyhow::Result<&mut Server> {
        self.server.as_mut().context("the guide has started no server")
    }
}

/// The application in its terminal. It is stopped when this value is dropped.
struct Server {
    child: Child,
    lines: Receiver<String>,
}

impl Server {
    fn start(shell: &mut Command) -> anyhow::Result<Self> {
        let mut child = shell.stdout(Stdio::piped()).process_group(0).spawn()?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            for line in lines {
                println!("{line}");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Waits until the application prints a line, which may take as long as its build.
    fn prints(&mut self, line: &str) -> anyhow::Result<()> {
        let found = self.lines.iter().any(|printed| printed == line);
        ensure!(found, "the application ended and did not print {line:?}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The group has the shell, cargo and the application. It may have ended.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.child.wait();
        // The application is gone when its output has ended.
        while self.lines.recv().is_ok() {}
    }
}

/// Returns the configuration of cargo that replaces the listed crates with ours.
fn patches(root: &Path, crates: &[PathBuf], text: &str) -> anyhow::Result<String> {
    let mut config = "[patch.crates-io]\n".to_owned();
    for folder in crates {
        let name = folder.file_name().unwrap_or_default().display();
        // Cargo warns of a patch that is not used.
        if text.lines().any(|line| line.starts_with(&format!("{name} = "))) {
            writeln!(config, "{name} = {{ path = '{}' }}", root.join(folder).display())?;
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_crates_are_replaced() {
        let crates = ["crates/a", "crates/a-b"].map(PathBuf::from);
        let config = patches(Path::new("/house"), &crates, "[dependencies]\na-b = \"1\"\n").unwrap();
        assert_eq!(config, "[patch.crates-io]\na-b = { path = '/house/crates/a-b' }\n");
    }

    #[test]
    fn a_line_is_awaited_among_others_and_the_end_is_an_error() {
        let mut server = Server::start(Command::new("sh").args(["-c", "echo a; echo b"])).unwrap();
        server.prints("b").unwrap();
        assert!(server.prints("b").unwrap_err().to_string().contains("\"b\""));
    }
}

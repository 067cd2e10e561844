//! The watchdog that ends a server whose starter died.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::ServiceError;

/// Reads the server's process id again and again. Where its input ends without `done`, the starter is gone.
const SCRIPT: &str = r#"
while read -r line; do
    if [ "$line" = done ]; then exit; fi
    pid=$line
done
if [ "$pid" != none ]; then
    kill -s "$2" "$pid"
    kill -s CONT "$pid"
    tries=0
    while kill -0 "$pid" && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
fi 2>/dev/null
rm -rf "$1"
"#;

/// A process that outlives ours, and then ends the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over `folder`; `signal` ends the server at once.
    pub(crate) fn over(folder: &Path, signal: &str) -> Result<Self, ServiceError> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(folder).arg(signal).env("pid", "none").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Signals to the process group, as by Ctrl-C, must not reach it.
        command.process_group(0).spawn().map(Self).map_err(ServiceError::io("starting a watchdog"))
    }

    /// Sets the process to end, if any.
    pub(crate) fn watch(&mut self, process: Option<u32>) -> Result<(), ServiceError> {
        let process = process.map_or_else(|| "none".to_owned(), |process| process.to_string());
        self.tell(&process).map_err(ServiceError::io("telling the watchdog"))
    }

    fn tell(&mut self, line: &str) -> std::io::Result<()> {
        let stdin = self.0.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{line}")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.tell("done");
        let _ = self.0.wait();
    }
}

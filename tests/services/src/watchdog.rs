//! The watchdog that kills a server if the process that started it dies.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::ServiceError;

/// Reads the server's current process id from standard input. If the input ends without `done`, the process that started the server has
/// died.
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

/// A process that outlives this one, and then kills the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Starts a watchdog for the server in `folder`. `signal` ends the server immediately.
    pub(crate) fn over(folder: &Path, signal: &str) -> Result<Self, ServiceError> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(folder).arg(signal).env("pid", "none").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Signals to the process group, as from Ctrl-C, must not reach the watchdog.
        command.process_group(0).spawn().map(Self).map_err(ServiceError::io("starting a watchdog"))
    }

    /// Sets the process to kill, if any.
    pub(crate) fn watch(&mut self, process: Option<u32>) -> Result<(), ServiceError> {
        let process = process.map_or_else(|| "none".to_owned(), |process| process.to_string());
        self.write(&process).map_err(ServiceError::io("writing to the watchdog"))
    }

    fn write(&mut self, line: &str) -> std::io::Result<()> {
        let stdin = self.0.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{line}")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.write("done");
        let _ = self.0.wait();
    }
}

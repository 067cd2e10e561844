//! A process and its children.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::ServiceError;

/// Freezes a process, and then its children. The parent is first, because a frozen parent cannot start more children.
pub(crate) fn freeze(parent: u32) -> Result<(), ServiceError> {
    send(parent, Signal::STOP)?;
    children(parent).into_iter().for_each(|child| drop(send(child, Signal::STOP)));
    Ok(())
}

/// Continues a frozen process and its children.
pub(crate) fn thaw(parent: u32) -> Result<(), ServiceError> {
    children(parent).into_iter().for_each(|child| drop(send(child, Signal::CONT)));
    send(parent, Signal::CONT)
}

pub(crate) fn send(process: u32, signal: Signal) -> Result<(), ServiceError> {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    let id = id.ok_or_else(|| ServiceError::io("converting a process id")(std::io::ErrorKind::InvalidInput))?;
    kill_process(id, signal).map_err(ServiceError::io("sending a signal to a server"))
}

/// Returns the current children of a process.
fn children(parent: u32) -> Vec<u32> {
    match std::fs::read_dir("/proc/self") {
        Ok(_) => from_proc(parent),
        Err(_) => from_ps(parent),
    }
}

fn from_proc(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |process: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name before the bracket may contain any characters. The state and the parent follow it.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        after.split_whitespace().nth(1).is_some_and(|found| found.parse() == Ok(parent))
    };
    processes.filter(is_child).collect()
}

fn from_ps(parent: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let pairs = output.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    pairs.filter(|(_, found)| *found == parent).map(|(process, _)| process).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

//! Checks of files: permissions, sizes and the space that is left.

use std::path::{Path, PathBuf};

use super::finding::Finding;

const MIB: u64 = 1_024 * 1_024;

/// A log of this size was not written back for long.
const LARGE_LOG: u64 = 256 * MIB;

/// Free space below which the disk is nearly full.
const LITTLE: u64 = 1_024 * MIB;

/// Free space below which deliveries are about to be refused.
const TOO_LITTLE: u64 = 64 * MIB;

/// Returns whether the group or other users have any access to a file. Always `false` on Windows.
pub(super) fn is_open_to_others(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

/// Checks the files of an SQLite database.
pub(super) fn sqlite(file: &Path) -> Vec<Finding> {
    let beside = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (log, index) = (beside("-wal"), beside("-shm"));
    let open: Vec<_> = [file, &log, &index].into_iter().filter(|file| is_open_to_others(file)).collect();
    let mut findings = vec![if open.is_empty() {
        Finding::good("files", "only their owner can read the files of the database")
    } else {
        let names = open.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ");
        Finding::failed("files", format!("other users of this machine have access to {names}"), format!("Run: chmod 600 {names}"))
    }];
    findings.extend(std::fs::metadata(&log).ok().and_then(|metadata| large(metadata.len())));
    findings.extend(free(file).map(space));
    findings
}

fn large(log: u64) -> Option<Finding> {
    let fix =
        "A reader that never ends keeps it from being written back. Stop backups and other programs that hold the file open.";
    (log > LARGE_LOG).then(|| Finding::warning("log", format!("the log beside the database has {} MiB", log / MIB), fix))
}

fn space(free: u64) -> Finding {
    let detail = format!("{} MiB are free on the disk of the database", free / MIB);
    let fix = "Free some space, or move the database: on a full disk, no event can be acknowledged.";
    match free {
        0..TOO_LITTLE => Finding::failed("disk", detail, fix),
        TOO_LITTLE..LITTLE => Finding::warning("disk", detail, fix),
        _ => Finding::good("disk", detail),
    }
}

/// Returns the number of bytes that this user can still write.
#[cfg(unix)]
fn free(file: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(file).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
const fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_fails_before_it_is_full() {
        for (free, expected) in [
            (0, Verdict::Failed),
            (TOO_LITTLE - 1, Verdict::Failed),
            (TOO_LITTLE, Verdict::Warning),
            (LITTLE - 1, Verdict::Warning),
            (LITTLE, Verdict::Good),
        ] {
            assert_eq!(space(free).verdict, expected, "{free}");
        }
        assert!(large(LARGE_LOG).is_none() && large(LARGE_LOG + 1).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn the_space_of_a_file_is_that_of_its_disk() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(free(file.path()).is_some());
        assert!(free(Path::new("/no/such/file")).is_none());
    }
}

//! A database file that is read-only.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::home::{Home, Subject};
use crate::launch::Launch;

/// A user without any files.
const NOBODY: u32 = 65_534;

/// The shop does not start, and prints the reason.
pub async fn a_shop_is_refused_at_the_start(subject: Subject) {
    let home = Home::of(subject);
    home.start().await.stop().await;
    let bound = Bound::by_permissions(&home, subject);
    bound.forbid_writing();
    let ended = bound.launch().refused().await;
    bound.allow_writing();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot be written") && ended.stderr.contains("shop.db"), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
}

/// A shop to which file permissions apply. If the test runs as root, the shop runs as another user.
struct Bound<'a> {
    home: &'a Home,
    binary: PathBuf,
}

impl<'a> Bound<'a> {
    /// Gives the other user a copy of the shop's binary, because that user may be unable to read the original.
    fn by_permissions(home: &'a Home, subject: Subject) -> Self {
        let copy = home.outer().join("shop");
        std::fs::copy(subject.binary(), &copy).unwrap();
        set_mode(&copy, 0o755);
        set_mode(home.outer(), 0o755);
        Self { home, binary: copy }
    }

    fn launch(&self) -> Launch {
        let launch = self.home.launch_binary(&self.binary);
        if rustix::process::geteuid().is_root() { launch.as_user(NOBODY) } else { launch }
    }

    fn forbid_writing(&self) {
        self.set_modes(0o444, 0o555);
    }

    fn allow_writing(&self) {
        self.set_modes(0o666, 0o777);
    }

    fn set_modes(&self, files: u32, folder: u32) {
        for file in std::fs::read_dir(self.home.folder()).unwrap() {
            set_mode(&file.unwrap().path(), files);
        }
        set_mode(&self.home.folder(), folder);
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

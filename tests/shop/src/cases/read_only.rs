//! A database file that is read-only.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::home::{Home, Subject};
use crate::launch::Launch;
use crate::orders::Orders;

/// A user that owns nothing.
const NOBODY: u32 = 65_534;

/// The shop does not start, and says why.
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

/// A volume that is mounted anew, for reading only, with the same content.
pub async fn a_shop_that_runs_tells_it_and_recovers(subject: Subject) {
    let home = Home::of(subject);
    home.start().await.stop().await;
    let bound = Bound::by_permissions(&home, subject);
    bound.allow_writing();
    let shop = bound.launch().start().await;
    let mut orders = Orders::default();
    for _ in 0..3 {
        assert_eq!(orders.send(&shop).await.status, 200);
    }
    home.database().settled().await;
    home.database().execute("PRAGMA wal_checkpoint(TRUNCATE)");
    let before = home.outer().join("before");
    std::fs::rename(home.folder(), &before).unwrap();
    std::fs::create_dir(home.folder()).unwrap();
    std::fs::copy(before.join("shop.db"), home.file()).unwrap();
    bound.forbid_writing();
    assert_eq!(orders.send(&shop).await.status, 503);
    assert_eq!(shop.get("/healthz").await.status, 503);
    bound.allow_writing();
    orders.recover(&shop).await;
    orders.assert_kept(&home).await;
}

/// A shop to which permissions apply: as root, it runs as another user.
struct Bound<'a> {
    home: &'a Home,
    binary: PathBuf,
}

impl<'a> Bound<'a> {
    /// That user may not be allowed to read the shop's binary in its folder, and gets a copy.
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

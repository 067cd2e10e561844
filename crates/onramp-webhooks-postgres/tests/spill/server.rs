//! A PostgreSQL server to be thrown away.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) struct Server {
    folder: TempDir,
    address: SocketAddr,
    postgres: Option<Child>,
}

impl Server {
    /// Makes a new cluster, and starts it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut server = Self { folder, address, postgres: None };
        if let Some(user) = unprivileged() {
            std::os::unix::fs::chown(server.folder.path(), Some(user), None).unwrap();
        }
        let made =
            server.program("initdb").args(["--no-sync", "--auth=trust", "--username=postgres", "-D"]).arg(server.data()).output();
        let made = made.unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.run();
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it again where it was, and returns when it takes connections.
    pub(crate) fn run(&mut self) {
        let port = self.address.port().to_string();
        let mut postgres = self.program("postgres");
        postgres.arg("-D").arg(self.data()).args(["-p", &port, "-h", "127.0.0.1", "-k", "", "-c", "shared_buffers=16MB"]);
        self.postgres = Some(postgres.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.is_ready() {
            assert!(Instant::now() < deadline, "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_ready(&self) -> bool {
        let port = self.address.port().to_string();
        self.program("pg_isready").args(["-h", "127.0.0.1", "-p", &port]).status().unwrap().success()
    }

    /// Ends it as a crash would.
    pub(crate) fn crash(&mut self) {
        if let Some(mut postgres) = self.postgres.take() {
            self.signal(&postgres, "CONT");
            kill("QUIT", &[postgres.id()]);
            postgres.wait().unwrap();
        }
    }

    /// All its processes stand still.
    pub(crate) fn freeze(&self) {
        self.signal(self.postgres.as_ref().unwrap(), "STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal(self.postgres.as_ref().unwrap(), "CONT");
    }

    fn signal(&self, postgres: &Child, signal: &str) {
        let mut processes = children(postgres.id());
        processes.push(postgres.id());
        kill(signal, &processes);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(self.folder.path());
        if let Some(user) = unprivileged() {
            command.uid(user);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Where the newest server's programs are: in the path, or where Debian puts them.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let mut folders: Vec<_> = debian.collect();
    folders.sort();
    let found =
        folders.into_iter().rev().chain(std::env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("there is no {name}: install the PostgreSQL server, which need not run"))
}

/// The server does not run as root; as root, it runs as the user that packages make for it.
fn unprivileged() -> Option<u32> {
    let id = |arguments: &[&str]| -> u32 {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    (id(&["-u"]) == 0).then(|| id(&["-u", "postgres"]))
}

fn kill(signal: &str, processes: &[u32]) {
    // One that has ended meanwhile makes it fail.
    let _ =
        Command::new("kill").arg(format!("-{signal}")).args(processes.iter().map(u32::to_string)).stderr(Stdio::null()).status();
}

/// The processes that a process has started, by what Linux says.
fn children(parent: u32) -> Vec<u32> {
    let list = Path::new("/proc").join(parent.to_string()).join("task").join(parent.to_string()).join("children");
    std::fs::read_to_string(list).unwrap_or_default().split_whitespace().map(|id| id.parse().unwrap()).collect()
}

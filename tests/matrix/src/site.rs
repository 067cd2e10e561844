//! Sites in processes of their own: this program, started again with `--serve`.

use std::net::SocketAddr;
use std::process::Stdio;

use clap::ValueEnum;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::column::Column;

/// A site, which ends with this value.
pub(crate) struct SiteProcess {
    pub(crate) address: SocketAddr,
    _process: Child,
}

impl SiteProcess {
    /// Starts a site that may open at most `open_files` files and connections.
    pub(crate) async fn start(column: Column, open_files: u32) -> Self {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("ulimit -n {open_files} && exec \"$0\" \"$@\"")).arg(std::env::current_exe().unwrap());
        command.args(["--serve", "--adapter", &name(column.adapter), "--store", &name(column.store)]);
        // It ends when its input does.
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut address = String::new();
        output.read_line(&mut address).await.unwrap();
        Self { address: address.trim_end().parse().expect("an address"), _process: process }
    }
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().unwrap().get_name().to_owned()
}

/// Serves the site of a column until the input ends, and prints its address.
#[tokio::main]
pub(crate) async fn serve(column: Column) {
    let setup = column.setup();
    let site = setup.serve().await;
    println!("{}", site.address());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await.unwrap();
}

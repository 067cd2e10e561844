//! `cargo xtask bench --against REV`: two revisions, measured in turn.

use anyhow::{Context, ensure};
use xshell::{Shell, cmd};

use super::tables::{Cell, Row, aligned, read};

/// Builds `revision` in a worktree below `target`, and measures it and this tree in turn.
pub(super) fn run(sh: &Shell, revision: &str, turns: usize, args: &[String]) -> anyhow::Result<()> {
    let commit = cmd!(sh, "git rev-list --max-count=1 {revision}").read()?;
    let tree = sh.current_dir().join("target").join("against").join(&commit);
    if !sh.path_exists(&tree) {
        cmd!(sh, "git worktree prune").run()?;
        cmd!(sh, "git worktree add --detach {tree} {commit}").run()?;
    }
    let with_peers = args.iter().any(|arg| arg == "--peers");
    let this = build(sh, with_peers)?;
    let other = {
        let _in_tree = sh.push_dir(&tree);
        let _target = sh.push_env("CARGO_TARGET_DIR", tree.join("target"));
        build(sh, with_peers)?
    };
    let (mut of_this, mut of_other) = (Vec::new(), Vec::new());
    for turn in 1..=turns {
        println!("turn {turn} of {turns}");
        of_this.push(read(&cmd!(sh, "{this} {args...}").read()?));
        of_other.push(read(&cmd!(sh, "{other} {args...}").read()?));
    }
    // Parts that one of the revisions lacks are the last.
    let rows = of_this.iter().chain(&of_other).map(Vec::len).min().unwrap_or_default();
    of_this.iter_mut().chain(&mut of_other).for_each(|output| output.truncate(rows));
    for line in compared(&of_this, &of_other)? {
        println!("{line}");
    }
    Ok(())
}

/// Builds the benchmark, the command line, which old revisions lack, and the peers if they are measured. Returns the path of the benchmark.
fn build(sh: &Shell, with_peers: bool) -> anyhow::Result<std::path::PathBuf> {
    let command_line = sh.path_exists("crates/onramp-webhooks-cli").then_some("--package=onramp-webhooks-cli");
    cmd!(sh, "cargo build --release --package onramp-webhooks-bench {command_line...}").run()?;
    let target = sh.var_os("CARGO_TARGET_DIR").map_or_else(|| sh.current_dir().join("target"), Into::into);
    if with_peers {
        cmd!(sh, "cargo build --release --target-dir {target} --manifest-path bench/peers/Cargo.toml").run()?;
    }
    Ok(target.join("release").join("onramp-webhooks-bench"))
}

/// Returns the lines of this tree's output, with a ratio after each figure.
fn compared(of_this: &[Vec<Row>], of_other: &[Vec<Row>]) -> anyhow::Result<Vec<String>> {
    let first = of_this.first().context("nothing was measured")?;
    let same_shape = |output: &Vec<Row>| output.iter().map(Vec::len).eq(first.iter().map(Vec::len));
    ensure!(of_this.iter().chain(of_other).all(same_shape), "the two revisions print different tables");
    let cell = |outputs: &[Vec<Row>], row: usize, column: usize| -> Vec<Cell> {
        outputs.iter().filter_map(|output| output.get(row)?.get(column).cloned()).collect()
    };
    let mut rows = Vec::new();
    for (row, cells) in first.iter().enumerate() {
        let compared = (0..cells.len()).map(|column| {
            let (these, others) = (cell(of_this, row, column), cell(of_other, row, column));
            Cell::compared(&these.iter().collect::<Vec<_>>(), &others.iter().collect::<Vec<_>>())
        });
        rows.push(compared.collect::<Vec<_>>());
    }
    Ok(aligned(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_ratio() {
        let output = |rate: u32| read(&format!("(b) inserts\n\n| callers | rate |\n|---------|------|\n| 1       | {rate}   |"));
        let lines = compared(&[output(30), output(20), output(40)], &[output(10), output(15), output(20)]).unwrap();
        assert_eq!(lines[..2], ["(b) inserts", ""]);
        assert_eq!(lines[2..5], ["| callers | rate      |", "|---------|-----------|", "| 1       | 30 (2.00) |"]);
        let other = read("(b) inserts");
        assert!(compared(&[output(1)], &[other]).is_err());
    }
}

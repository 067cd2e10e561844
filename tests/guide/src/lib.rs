//! The fenced blocks of documents, for the tests that run them: `cargo xtask readmes`, `cargo xtask first-hour`, and the tests of the command
//! line.

mod chapters;

/// A fenced block of a document.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block<'a> {
    /// Line of the document in which the block begins.
    pub line: usize,
    /// The language, such as `rust`.
    pub language: &'a str,
    /// The file that the block is the content of: the last word of `toml Cargo.toml`.
    pub file: Option<&'a str>,
    /// The lines between the fences.
    pub text: String,
}

/// A command of a block, and the output that the block shows below it.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// The command, which may have several lines.
    pub line: String,
    /// The lines of its output.
    pub output: Vec<String>,
}

/// Returns the fenced blocks of a document.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut lines = (1..).zip(text.lines());
    let mut blocks = Vec::new();
    while let Some((line, first)) = lines.next() {
        let Some(info) = first.trim_start().strip_prefix("```") else { continue };
        let indent = first.len() - first.trim_start().len();
        let language = info.split([',', ' ']).next().unwrap_or(info);
        let file = info.split_once(' ').map(|(_, file)| file);
        let content = lines.by_ref().map(|(_, content)| content).take_while(|content| content.trim() != "```");
        let content = content.map(|content| content.get(indent..).unwrap_or_default());
        blocks.push(Block { line, language, file, text: content.map(|content| format!("{content}\n")).collect() });
    }
    blocks
}

impl Block<'_> {
    /// Returns the commands of the block: what follows `$ `, up to the end of its line or, with open quotes or a backslash at the end, of a later
    /// line.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(first), _) => commands.push(Command { line: first.to_owned(), output: Vec::new() }),
                (None, Some(command)) if command.output.is_empty() && is_open(&command.line) => {
                    command.line.push('\n');
                    command.line.push_str(line);
                }
                (None, Some(command)) if !line.is_empty() => command.output.push(line.to_owned()),
                _ => {}
            }
        }
        commands
    }
}

/// Returns whether a command continues on the next line.
fn is_open(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_a_language_and_a_file() {
        let blocks = blocks("a\n\n```rust,no_run src/main.rs\nA\n```\n\n  ```toml\n    c\n\n  ```\n```\nb\n```\n");
        let found: Vec<_> = blocks.iter().map(|block| (block.line, block.language, block.file, &*block.text)).collect();
        assert_eq!(found, [(3, "rust", Some("src/main.rs"), "A\n"), (7, "toml", None, "  c\n\n"), (11, "", None, "b\n")]);
    }

    #[test]
    fn commands_have_their_output() {
        let blocks = blocks("```console\n$ a 'b\n  c'\nd\n\n$ e \\\n  f\n$ g\n```\n");
        let commands: Vec<_> = blocks[0].commands().into_iter().map(|command| (command.line, command.output)).collect();
        let command = |line: &str, output: &[&str]| (line.to_owned(), output.iter().map(|&line| line.to_owned()).collect());
        assert_eq!(commands, [command("a 'b\n  c'", &["d"]), command("e \\\n  f", &[]), command("g", &[])]);
    }
}

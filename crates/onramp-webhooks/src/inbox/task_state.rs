//! The states that periodic tasks store.

/// The state that a [periodic task](crate::worker::PeriodicTask) stores in an inbox, for all processes that run the task.
///
/// The [`traffic`](crate::traffic) of all processes is stored in the same way, under names that begin with `traffic/`.
///
/// Each version replaces the one before it, so a process can also take a lease on the task: it stores its claim, and
/// [`set_task_state`](super::Inbox::set_task_state) tells whether another process was faster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskState {
    /// The name of the task.
    pub task: String,
    /// The number of times that the state was stored; zero if it never was.
    pub version: u32,
    /// The state, in a form that the task chooses; empty if it was never stored. Must not contain the character NUL.
    pub text: String,
}

impl TaskState {
    /// Creates the state of a task that was never stored.
    #[must_use]
    pub fn new(task: impl Into<String>) -> Self {
        Self { task: task.into(), ..Self::default() }
    }

    /// Returns the version `version` of the state, with `text`.
    #[must_use]
    pub fn at(self, version: u32, text: impl Into<String>) -> Self {
        Self { version, text: text.into(), ..self }
    }
}

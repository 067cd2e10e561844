//! The user for a server that refuses to run as root.

use std::path::Path;

use crate::ServiceError;

/// The ids of a user and of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub(crate) id: u32,
    pub(crate) group: u32,
}

/// Returns the user for the server, or `None` if this process is not root and the server can run as the current user.
pub(crate) fn instead_of_root() -> Result<Option<User>, ServiceError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(ServiceError::io("reading /etc/passwd"))?;
    let user = ["postgres", "nobody"].into_iter().find_map(|name| named(&users, name));
    user.map(Some).ok_or(ServiceError::NotInstalled("a user postgres or nobody to run PostgreSQL"))
}

/// Changes the owner of a file.
pub(crate) fn give(path: &Path, user: User) -> Result<(), ServiceError> {
    std::os::unix::fs::chown(path, Some(user.id), Some(user.group)).map_err(ServiceError::io("changing the owner of a folder"))
}

fn named(users: &str, name: &str) -> Option<User> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))?;
    Some(User { id: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found() {
        let users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n";
        assert_eq!(named(users, "nobody"), Some(User { id: 65534, group: 65533 }));
        assert_eq!(named(users, "body"), None);
    }
}

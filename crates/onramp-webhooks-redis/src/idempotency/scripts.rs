//! The scripts of the store, one for each operation.

use crate::db::{Script, script};

pub(super) static CLAIM: Script = script!("scripts/claim.lua");
pub(super) static RENEW: Script = script!("scripts/renew.lua");
pub(super) static COMPLETE: Script = script!("scripts/complete.lua");
pub(super) static RELEASE: Script = script!("scripts/release.lua");

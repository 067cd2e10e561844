//! Checks of the environment variables, as the shops read them.

use std::env::VarError;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use onramp_webhooks::Wert;
use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::ForwardingHeader;
use onramp_webhooks::provider::Endpoint;

use super::files;
use super::finding::Finding;

const MAKE_A_SECRET: &str =
    "Set WERT_SECRET=$(openssl rand -hex 32) for the shop, and the address with the new secret in Wert's dashboard.";

/// The public secret for development.
const DEVELOPMENT: &str = "dev-secret";

/// Checks the variables that `get` returns. No finding contains a secret.
pub(super) fn findings(get: impl Fn(&str) -> Result<String, VarError>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut listen = None;
    match variable::<SocketAddr>(&get, "LISTEN") {
        Ok(address) => listen = address,
        Err(reason) => findings.push(unreadable("LISTEN", &reason, "an address such as 127.0.0.1:8080")),
    }
    findings.push(secret(&get, listen));
    let lists = ["TRUSTED_PROXIES", "KRIPTOMAT_ALLOW", "PROXY_PROTOCOL"];
    let wrong = lists.map(|name| Some((name, variable::<AllowList>(&get, name).err()?)));
    let addresses = "addresses or networks with commas between them, such as 10.0.0.0/24,192.0.2.7";
    findings.extend(wrong.into_iter().flatten().map(|(name, reason)| unreadable(name, &reason, addresses)));
    if let Err(reason) = variable::<ForwardingHeader>(&get, "CLIENT_IP_HEADER") {
        findings.push(unreadable(
            "CLIENT_IP_HEADER",
            &reason,
            "the name of the header that the proxy sets, such as x-forwarded-for",
        ));
    }
    if findings.len() == 1 {
        findings.push(Finding::good("configuration", "the variables can be read"));
    }
    findings
}

fn text(get: &impl Fn(&str) -> Result<String, VarError>, name: &str) -> Result<Option<String>, String> {
    match get(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err("is not UTF-8".to_owned()),
    }
}

fn variable<T: FromStr<Err: Display>>(get: &impl Fn(&str) -> Result<String, VarError>, name: &str) -> Result<Option<T>, String> {
    text(get, name)?.map(|value| value.parse().map_err(|error: T::Err| error.to_string())).transpose()
}

fn unreadable(name: &str, reason: &str, expected: &str) -> Finding {
    Finding::failed(
        "configuration",
        format!("{name}: {reason}"),
        format!("Set {name} to {expected}. The shop does not start without."),
    )
}

fn secret(get: &impl Fn(&str) -> Result<String, VarError>, listen: Option<SocketAddr>) -> Finding {
    let is_public = listen.is_some_and(|listen| !listen.ip().to_canonical().is_loopback());
    match (text(get, "WERT_SECRET"), text(get, "WERT_SECRET_FILE")) {
        (Err(reason), _) => Finding::failed("secret", format!("WERT_SECRET: {reason}"), MAKE_A_SECRET),
        (_, Err(reason)) => Finding::failed("secret", format!("WERT_SECRET_FILE: {reason}"), "Set it to the path of the file."),
        (Ok(Some(secret)), Ok(Some(_))) if secret != DEVELOPMENT => Finding::failed(
            "secret",
            "WERT_SECRET and WERT_SECRET_FILE are both set",
            "Remove one of them: the shop refuses to start.",
        ),
        (Ok(_), Ok(Some(file))) => in_file(Path::new(&file)),
        (Ok(None), Ok(None)) if get("WERT_SECRET").is_ok() => Finding::failed("secret", "WERT_SECRET: is empty", MAKE_A_SECRET),
        (Ok(None), Ok(None)) if is_public => Finding::failed("secret", "WERT_SECRET: is not set", MAKE_A_SECRET),
        (Ok(None), Ok(None)) => {
            let fix = "Run this command with the environment of the shop. Without a secret, the shop uses a public one.";
            Finding::warning("secret", "WERT_SECRET: is not set", fix)
        }
        (Ok(Some(secret)), Ok(None)) if secret == DEVELOPMENT => match is_public {
            true => Finding::failed("secret", "WERT_SECRET: the secret for development is public", MAKE_A_SECRET),
            false => Finding::warning("secret", "WERT_SECRET: the secret for development is public", MAKE_A_SECRET),
        },
        (Ok(Some(secret)), Ok(None)) => checked("WERT_SECRET", &Wert::with_path_secret(secret)),
    }
}

fn in_file(file: &Path) -> Finding {
    let shown = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let fix = "Correct the path, or let the user of the shop read the file.";
            return Finding::failed("secret", format!("WERT_SECRET_FILE: reading {shown}: {error}"), fix);
        }
    };
    if files::is_open_to_others(file) {
        let fix = format!("Run: chmod 600 {shown}");
        return Finding::failed("secret", format!("other users of this machine can read {shown}"), fix);
    }
    checked("WERT_SECRET_FILE", &Wert::with_path_secrets(text.lines().map(str::trim).filter(|line| !line.is_empty())))
}

fn checked(name: &str, endpoint: &Endpoint) -> Finding {
    match endpoint.check_secrets() {
        Ok(()) => Finding::good("secret", format!("{name} is long enough")),
        Err(error) => Finding::failed("secret", format!("{name}: {error}"), MAKE_A_SECRET),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const LONG: &str = "0123456789abcdef0123456789abcdef";

    fn worst(variables: &[(&str, &str)]) -> (Verdict, String) {
        let get = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        };
        let findings = findings(get);
        let text = format!("{findings:?}");
        let verdicts: Vec<_> = findings.iter().map(|finding| finding.verdict).collect();
        let worst = [Verdict::Failed, Verdict::Warning].into_iter().find(|verdict| verdicts.contains(verdict));
        (worst.unwrap_or(Verdict::Good), text)
    }

    #[test]
    fn variables_are_good_if_the_shop_starts_with_them() {
        let everywhere = ("LISTEN", "0.0.0.0:80");
        for (variables, expected) in [
            (&[("WERT_SECRET", LONG), everywhere][..], Verdict::Good),
            (&[("WERT_SECRET", LONG), ("TRUSTED_PROXIES", "10.0.0.0/8"), ("CLIENT_IP_HEADER", "x-real-ip")], Verdict::Good),
            (&[], Verdict::Warning),
            (&[("WERT_SECRET", "dev-secret")], Verdict::Warning),
            (&[everywhere], Verdict::Failed),
            (&[("WERT_SECRET", "dev-secret"), everywhere], Verdict::Failed),
            (&[("WERT_SECRET", "")], Verdict::Failed),
            (&[("WERT_SECRET", "hush")], Verdict::Failed),
            (&[("WERT_SECRET", "hush-hush-hush-hush\n")], Verdict::Failed),
            (&[("WERT_SECRET", "hush-hush-hush-hush"), ("WERT_SECRET_FILE", "/no/such/file")], Verdict::Failed),
            (&[("WERT_SECRET_FILE", "/no/such/file")], Verdict::Failed),
            (&[("WERT_SECRET", LONG), ("LISTEN", "8080")], Verdict::Failed),
            (&[("WERT_SECRET", LONG), ("TRUSTED_PROXIES", "10.0.0.0/33")], Verdict::Failed),
            (&[("WERT_SECRET", LONG), ("KRIPTOMAT_ALLOW", "kriptomat.io")], Verdict::Failed),
            (&[("WERT_SECRET", LONG), ("PROXY_PROTOCOL", "yes")], Verdict::Failed),
            (&[("WERT_SECRET", LONG), ("CLIENT_IP_HEADER", "x forwarded for")], Verdict::Failed),
        ] {
            let (verdict, text) = worst(variables);
            assert_eq!(verdict, expected, "{variables:?}: {text}");
            assert!(!text.contains("hush") && !text.contains(LONG), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{LONG}\n")).unwrap();
        for (mode, expected) in [(0o600, Verdict::Good), (0o640, Verdict::Failed), (0o604, Verdict::Failed)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let (verdict, text) = worst(&[("WERT_SECRET_FILE", file.path().to_str().unwrap())]);
            assert_eq!(verdict, expected, "{mode:o} {text}");
        }
    }
}

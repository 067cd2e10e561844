//! The members in which two bodies differ.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::fields::{PublicFields, Step, members, name, parsed, shown, shown_name};
use crate::json::{Json, Value};
use crate::provider::{ProviderName, Providers};

/// Maximum number of values of a body that are compared.
const MOST: usize = 10_000;

/// A value in which two bodies differ.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The names of the members around the value: `order.quote_amount`, or `items[0].name`.
    pub path: String,
    /// The value in the first body as JSON text; `None` if it has none.
    pub first: Option<String>,
    /// The value in the second body.
    pub second: Option<String>,
}

/// Leaves out the values, which may have been revealed.
impl std::fmt::Debug for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Difference").finish_non_exhaustive()
    }
}

/// Returns the values in which two bodies of a provider differ, in the sequence of the first body; those that only the second one has are
/// last. Masks personal data unless `reveal` is `true`: two values that differ may then look the same.
///
/// Numbers and strings are compared as they are written. Returns `None` if a body is neither JSON nor a form, or has more than 10 000
/// values.
#[must_use]
pub fn differences(
    providers: &Providers,
    provider: &ProviderName,
    first: &[u8],
    second: &[u8],
    reveal: bool,
) -> Option<Vec<Difference>> {
    let public = if reveal { PublicFields::all() } else { PublicFields::of(providers, provider) };
    let (first, second) = (parsed(first)?, parsed(second)?);
    let (first, second) = (Json::parse(&first)?, Json::parse(&second)?);
    let (first, second) = (Leaves::of(&public, first.root())?, Leaves::of(&public, second.root())?);
    Some(first.differences(&second))
}

/// The values of a body.
struct Leaves<'a> {
    public: &'a PublicFields,
    list: Vec<Leaf>,
}

struct Leaf {
    /// The path with all names.
    exact_path: String,
    path: String,
    exact: String,
    shown: String,
}

impl<'a> Leaves<'a> {
    fn of(public: &'a PublicFields, root: Value<'_>) -> Option<Self> {
        let mut leaves = Self { public, list: Vec::new() };
        leaves.collect(root, &mut Vec::new()).then_some(leaves)
    }

    /// Returns `false` if there are too many.
    fn collect<'t>(&mut self, value: Value<'t>, path: &mut Vec<Step<'t>>) -> bool {
        let steps: Vec<(Step<'t>, Value<'t>)> = if value.is_object() {
            members(value).into_iter().map(|member| (Step::Member(name(member)), member)).collect()
        } else {
            value.elements().enumerate().map(|(index, element)| (Step::Element(index), element)).collect()
        };
        let is_empty = matches!(value.text(), "{}" | "[]");
        if steps.is_empty() && !(is_empty && path.is_empty()) {
            let is_public = is_empty || self.public.contains(path, value);
            self.list.push(Leaf {
                exact_path: path_of(path, Cow::Borrowed),
                path: path_of(path, |name| shown_name(self.public, name)),
                exact: value.text().to_owned(),
                shown: shown(value, is_public).into_owned(),
            });
        }
        self.list.len() <= MOST
            && steps.into_iter().all(|(step, child)| {
                path.push(step);
                let are_few = self.collect(child, path);
                path.pop();
                are_few
            })
    }

    fn differences(&self, other: &Self) -> Vec<Difference> {
        let by_path = |leaves: &Self| -> BTreeMap<String, Vec<usize>> {
            let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            leaves.list.iter().enumerate().for_each(|(at, leaf)| places.entry(leaf.exact_path.clone()).or_default().push(at));
            places
        };
        let (mine, others) = (by_path(self), by_path(other));
        let exact = |leaves: &Self, at: &[usize]| -> Vec<String> {
            at.iter().filter_map(|at| leaves.list.get(*at)).map(|leaf| leaf.exact.clone()).collect()
        };
        let shown = |leaves: &Self, at: &[usize]| -> Option<String> {
            let texts: Vec<&str> = at.iter().filter_map(|at| leaves.list.get(*at)).map(|leaf| leaf.shown.as_str()).collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        };
        let mut found: Vec<(usize, Difference)> = Vec::new();
        for (path, at) in &mine {
            let theirs = others.get(path).map_or(&[][..], Vec::as_slice);
            let first_at = at.first().copied().unwrap_or_default();
            if exact(self, at) != exact(other, theirs) {
                let path = self.list.get(first_at).map_or_else(String::new, |leaf| leaf.path.clone());
                found.push((first_at, Difference { path, first: shown(self, at), second: shown(other, theirs) }));
            }
        }
        for (path, at) in others.iter().filter(|(path, _)| !mine.contains_key(*path)) {
            let first_at = at.first().copied().unwrap_or_default();
            let path = other.list.get(first_at).map_or_else(|| path.clone(), |leaf| leaf.path.clone());
            found.push((self.list.len() + first_at, Difference { path, first: None, second: shown(other, at) }));
        }
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, difference)| difference).collect()
    }
}

fn path_of<'t>(path: &'t [Step<'_>], shown: impl Fn(&'t str) -> Cow<'t, str>) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a string succeeds.
        let _ = match step {
            Step::Member(name) if text.is_empty() => write!(text, "{}", shown(name)),
            Step::Member(name) => write!(text, ".{}", shown(name)),
            Step::Element(index) => write!(text, "[{index}]"),
        };
    }
    text
}

//! The tree: the values of a text in a flat list.

use std::cmp::Ordering;

use super::parse::Parser;
use super::value::Value;

/// Maximum nesting depth of the tree. Deeper arrays and objects are single nodes without children, which bounds recursion.
pub(super) const DEEPEST: usize = 128;

/// Number of members up to which the simplest way of sorting and finding them is the fastest.
pub(super) const FEW: usize = 16;

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Json<'a> {
    pub(super) text: &'a str,
    /// The values, each before its children. Elements of arrays are here only if they are arrays or objects: nothing is read from long lists
    /// of numbers, and a node is larger than a number.
    pub(super) nodes: Vec<Node>,
    /// The members of all objects, as positions in `nodes`. Those of one object are adjacent and sorted by name.
    pub(super) order: Vec<u32>,
    /// The canonical forms of names that were written with escapes.
    pub(super) spelled: String,
    /// `true` if an array or object is nested too deeply to be a part of the tree.
    pub(super) is_too_deep: bool,
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) name: Name,
    /// The range of the value in the text.
    pub(super) start: u32,
    pub(super) end: u32,
    /// The position after the last child. In an array or object that the parser has not closed yet, the position of its parent.
    pub(super) next: u32,
    /// The range of an object's members in `order`.
    pub(super) members: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    /// An array or object that is nested too deeply.
    TooDeep,
    String,
    /// A string with escapes.
    EscapedString,
    /// A number, `true`, `false` or `null`.
    Scalar,
}

/// The name of a member, as a range without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    /// The value is not a member.
    None,
    /// A range of the text.
    Plain(u32, u32),
    /// A range of the canonical forms.
    Spelled(u32, u32),
}

impl Name {
    /// Returns the text that contains the name, and its range there.
    const fn place<'t>(self, text: &'t str, spelled: &'t str) -> (&'t str, (u32, u32)) {
        match self {
            Self::None => ("", (0, 0)),
            Self::Plain(start, end) => (text, (start, end)),
            Self::Spelled(start, end) => (spelled, (start, end)),
        }
    }
}

impl<'a> Json<'a> {
    /// Parses a text; `None` if it is not JSON, or larger than 4 GiB.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        Parser::new(text).run()
    }

    pub(super) fn empty(text: &'a str) -> Self {
        // Events have fewer values than that, and junk has more.
        let values = (text.len() / 12).clamp(1, 64);
        let (nodes, order) = (Vec::with_capacity(values), Vec::with_capacity(values));
        Self { text, nodes, order, spelled: String::new(), is_too_deep: false }
    }

    pub(crate) fn root(&self) -> Value<'_> {
        Value::new(self, 0)
    }

    pub(super) fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)
    }

    /// Returns the canonical name of the member at `at`, which is empty for other values.
    pub(super) fn name(&self, at: u32) -> &str {
        let Some(node) = self.node(at) else { return "" };
        let (text, (start, end)) = node.name.place(self.text, &self.spelled);
        text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Returns the bytes of [`name`](Self::name).
    pub(super) fn name_bytes(&self, at: u32) -> &[u8] {
        name(self.text, &self.spelled, &self.nodes, at)
    }

    /// Returns whether a member has this canonical name. Compares the lengths first, because it is asked for many members.
    pub(super) fn is_named(&self, at: u32, name: &[u8]) -> bool {
        let Some(node) = self.node(at) else { return false };
        let (text, (start, end)) = node.name.place(self.text, &self.spelled);
        end.wrapping_sub(start) as usize == name.len() && text.as_bytes().get(start as usize..end as usize) == Some(name)
    }

    /// Sorts the members of an object by name, and repeated members by their position. `from` is the object's first position in `order`.
    pub(super) fn sort(&mut self, from: u32) {
        let Self { text, nodes, order, spelled, .. } = self;
        let name = |at: u32| name(text, spelled, nodes, at);
        let compare = |a: u32, b: u32| by_name(name(a), name(b)).then(a.cmp(&b));
        let members = order.get_mut(from as usize..).unwrap_or_default();
        if members.is_sorted_by(|a, b| compare(*a, *b).is_lt()) {
            return;
        }
        if members.len() <= FEW {
            return members.sort_unstable_by(|a, b| compare(*a, *b));
        }
        // Nearly all names differ in their beginnings, which are adjacent here, so names are rarely looked up.
        let mut sorted: Vec<_> = members.iter().map(|at| (beginning(name(*at)), *at)).collect();
        sorted.sort_unstable_by(|(a, a_at), (b, b_at)| a.cmp(b).then_with(|| compare(*a_at, *b_at)));
        members.iter_mut().zip(sorted).for_each(|(member, (_, at))| *member = at);
    }
}

fn name<'t>(text: &'t str, spelled: &'t str, nodes: &[Node], at: u32) -> &'t [u8] {
    let Some(node) = nodes.get(at as usize) else { return &[] };
    let (text, (start, end)) = node.name.place(text, spelled);
    text.as_bytes().get(start as usize..end as usize).unwrap_or_default()
}

/// Returns the first bytes of a canonical name and its closing quote, as a number in the order of [`by_name`].
fn beginning(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let with_quote = name.iter().copied().chain([b'"']);
    bytes.iter_mut().zip(with_quote).for_each(|(byte, of_name)| *byte = of_name);
    u64::from_be_bytes(bytes)
}

/// Compares canonical names in the order of fingerprints, in which a name includes its closing quote.
pub(super) fn by_name(a: &[u8], b: &[u8]) -> Ordering {
    if let (Some(first_a), Some(first_b)) = (a.first(), b.first())
        && first_a != first_b
    {
        return first_a.cmp(first_b);
    }
    let common = a.len().min(b.len());
    let after = |name: &[u8]| name.get(common).copied().unwrap_or(b'"');
    a.get(..common).cmp(&b.get(..common)).then_with(|| after(a).cmp(&after(b))).then_with(|| a.len().cmp(&b.len()))
}

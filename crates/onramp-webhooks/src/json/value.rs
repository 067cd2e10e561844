//! Values of a tree.

use std::borrow::Cow;

use super::tree::{Json, Kind, Name, Node, by_name};

/// Number of members up to which trying each is faster than a binary search.
const FEW: usize = 16;

/// A value of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'t> {
    json: &'t Json<'t>,
    at: u32,
    node: Option<&'t Node>,
}

impl<'t> Value<'t> {
    pub(super) fn new(json: &'t Json<'t>, at: u32) -> Self {
        Self { json, at, node: json.node(at) }
    }

    pub(super) fn kind(self) -> Kind {
        self.node.map_or(Kind::Scalar, |node| node.kind)
    }

    /// Returns the value exactly as it is in the text.
    pub(crate) fn text(self) -> &'t str {
        self.node.and_then(|node| self.json.text.get(node.start as usize..node.end as usize)).unwrap_or_default()
    }

    pub(crate) fn is_object(self) -> bool {
        self.text().starts_with('{')
    }

    pub(crate) fn is_array(self) -> bool {
        self.text().starts_with('[')
    }

    pub(crate) fn is_string(self) -> bool {
        matches!(self.kind(), Kind::String | Kind::EscapedString)
    }

    /// Returns whether the value is an array or object that is nested too deeply to have children in this tree.
    pub(crate) fn is_too_deep(self) -> bool {
        self.kind() == Kind::TooDeep
    }

    /// Returns the content of a string as it is written; `None` for other values.
    pub(super) fn content(self) -> Option<&'t str> {
        self.text().strip_prefix('"')?.strip_suffix('"')
    }

    /// Returns the content of a string; `None` for other values, and for strings that are not Unicode.
    pub(crate) fn string(self) -> Option<Cow<'t, str>> {
        match self.kind() {
            Kind::String => self.content().map(Cow::Borrowed),
            Kind::EscapedString => serde_json::from_str(self.text()).ok().map(Cow::Owned),
            _ => None,
        }
    }

    /// Returns the name of a member in canonical form, without quotes.
    pub(super) fn canonical_name(self) -> &'t [u8] {
        self.json.name(self.at)
    }

    /// Returns the name of a member; `None` if it is not Unicode.
    pub(crate) fn name(self) -> Option<Cow<'t, str>> {
        let name = str::from_utf8(self.canonical_name()).ok()?;
        match self.node?.name {
            Name::Spelled(..) => serde_json::from_str(&format!("\"{name}\"")).ok().map(Cow::Owned),
            Name::Plain(..) | Name::None => Some(Cow::Borrowed(name)),
        }
    }

    /// Returns whether the name of a member is Unicode.
    pub(crate) fn has_name(self) -> bool {
        self.node.is_some_and(|node| matches!(node.name, Name::Plain(..))) || self.name().is_some()
    }

    /// Returns whether another member has the same name.
    pub(crate) fn has_name_of(self, other: Self) -> bool {
        self.canonical_name() == other.canonical_name()
    }

    /// Returns the members of an object, sorted by name. Repeated members are in their own order.
    pub(crate) fn members(self) -> impl ExactSizeIterator<Item = Self> + use<'t> {
        self.order().iter().map(move |at| Self::new(self.json, *at))
    }

    /// Returns the position of a member among the [members](Self::members), and the member. `name` is in
    /// [canonical form](super::spelled), which is the same for names without quotes, backslashes and control characters.
    pub(crate) fn member(self, name: &str) -> Option<(usize, Self)> {
        let (order, name) = (self.order(), name.as_bytes());
        let found = if order.len() <= FEW {
            order.iter().position(|at| self.json.name(*at) == name)?
        } else {
            order.binary_search_by(|at| by_name(self.json.name(*at), name)).ok()?
        };
        Some((found, Self::new(self.json, *order.get(found)?)))
    }

    fn order(self) -> &'t [u32] {
        let (start, end) = self.node.map_or((0, 0), |node| node.members);
        self.json.order.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Returns the elements of an array.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> + use<'t> {
        let end = self.node.filter(|node| node.kind == Kind::Array).map_or(0, |node| node.next);
        let (json, mut at) = (self.json, self.at + 1);
        std::iter::from_fn(move || {
            let element = Self::new(json, at);
            at = element.node.filter(|_| at < end)?.next;
            Some(element)
        })
    }
}

//! Values of a tree.

use std::borrow::Cow;

use super::parse::{leaf, space};
use super::tree::{FEW, Json, Kind, Name, Node, by_name};

/// A value of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'t> {
    json: &'t Json<'t>,
    at: u32,
    /// `None` for an element of an array that is neither an array nor an object.
    node: Option<&'t Node>,
    kind: Kind,
    text: &'t str,
}

impl<'t> Value<'t> {
    pub(super) fn new(json: &'t Json<'t>, at: u32) -> Self {
        let node = json.node(at);
        let text = node.and_then(|node| json.text.get(node.start as usize..node.end as usize)).unwrap_or_default();
        Self { json, at, node, kind: node.map_or(Kind::Scalar, |node| node.kind), text }
    }

    pub(super) const fn kind(self) -> Kind {
        self.kind
    }

    /// Returns the value exactly as it is in the text.
    pub(crate) const fn text(self) -> &'t str {
        self.text
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
    pub(super) fn canonical_name(self) -> &'t str {
        self.json.name(self.at)
    }

    /// Returns the name of a member; `None` if it is not Unicode.
    pub(crate) fn name(self) -> Option<Cow<'t, str>> {
        let name = self.canonical_name();
        match self.node?.name {
            Name::Spelled(..) => serde_json::from_str(&format!("\"{name}\"")).ok().map(Cow::Owned),
            Name::Plain(..) | Name::None => Some(Cow::Borrowed(name)),
        }
    }

    /// Returns whether the names of all members of an object are Unicode.
    pub(crate) fn has_names(self) -> bool {
        let is_plain = |at: &u32| self.json.node(*at).is_some_and(|node| matches!(node.name, Name::Plain(..)));
        self.order().iter().all(|at| is_plain(at) || Self::new(self.json, *at).name().is_some())
    }

    /// Returns the first member of an object whose name another one has, too.
    pub(crate) fn repeated_member(self) -> Option<Self> {
        let order = self.order();
        let mut pairs = order.iter().zip(order.iter().skip(1));
        let (at, _) = pairs.find(|(at, next)| self.json.is_named(**at, self.json.name_bytes(**next)))?;
        Some(Self::new(self.json, *at))
    }

    /// Returns the members of an object, sorted by name. Repeated members are in their own order.
    pub(crate) fn members(self) -> impl ExactSizeIterator<Item = Self> + use<'t> {
        self.order().iter().map(move |at| Self::new(self.json, *at))
    }

    /// Returns the position of a member among the [members](Self::members), and the member. `name` is in
    /// [canonical form](super::spelled), which is the same for names without quotes, backslashes and control characters.
    pub(crate) fn member(self, name: &str) -> Option<(usize, Self)> {
        let order = self.order();
        let found = if order.len() <= FEW {
            order.iter().position(|at| self.json.is_named(*at, name.as_bytes()))?
        } else {
            order.binary_search_by(|at| by_name(self.json.name_bytes(*at), name.as_bytes())).ok()?
        };
        Some((found, Self::new(self.json, *order.get(found)?)))
    }

    fn order(self) -> &'t [u32] {
        let (start, end) = self.node.map_or((0, 0), |node| node.members);
        self.json.order.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Returns the objects in an array and in its inner arrays, in their sequence.
    pub(super) fn objects(self) -> impl Iterator<Item = Self> + use<'t> {
        let (json, mut next) = (self.json, self.at + 1);
        let end = self.node.map_or(0, |node| node.next);
        std::iter::from_fn(move || {
            while next < end {
                let inner = Self::new(json, next);
                next = if inner.kind == Kind::Array { next + 1 } else { inner.node?.next };
                if inner.kind == Kind::Object {
                    return Some(inner);
                }
            }
            None
        })
    }

    /// Returns the elements of an array.
    pub(crate) fn elements(self) -> Elements<'t> {
        let rest = if self.kind == Kind::Array { self.text.as_bytes() } else { &[] };
        Elements { array: self, rest, next: self.at + 1 }
    }
}

/// The elements of an array, found in its text. Those that are arrays or objects are in the tree, one after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements<'t> {
    array: Value<'t>,
    /// The text from the bracket or comma before the next element.
    rest: &'t [u8],
    /// The node of the next element that has one.
    next: u32,
}

impl<'t> Iterator for Elements<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Value<'t>> {
        let after = self.rest.get(1..)?;
        let rest = after.get(space(after)..)?;
        let element = match rest.first()? {
            b']' => return None,
            b'[' | b'{' => {
                let element = Value::new(self.array.json, self.next);
                self.next = element.node?.next;
                element
            }
            _ => {
                let (kind, length) = leaf(rest)?;
                let start = self.array.text.len() - rest.len();
                Value { node: None, kind, text: self.array.text.get(start..start + length)?, ..self.array }
            }
        };
        let after = rest.get(element.text.len()..)?;
        self.rest = after.get(space(after)..)?;
        Some(element)
    }
}

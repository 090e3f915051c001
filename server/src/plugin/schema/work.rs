//! How much work a schema makes. The validator follows every reference each time that it meets one, so that forty schemas,
//! each of which refers to the one before twice, take it 2^40 steps, and none of them can be ended.
//!
//! What would make it compile or apply schemas in ways that are hard to foresee is refused: more than one document in a
//! schema, references to what is outermost, and the question what has been evaluated. The steps of the rest are counted
//! beforehand, once for each schema and each value of the config, whatever leads there. Where the count is not exact it is
//! too high.

use serde_json::{Map, Value};
use std::collections::HashMap;
use std::ptr;

/// The most schemas that are applied to one config, each counted as often as it is applied. It takes the validator less than a
/// second and a hundred megabytes; a schema of the largest size without references has a quarter of it.
const MAX_STEPS: u64 = 200_000;
/// How many schemas may be within each other while one is applied: the validator calls itself for each.
const MAX_DEPTH: usize = 512;

const TOO_MANY: &str = "it takes more than 200,000 steps";
const TOO_DEEP: &str = "it refers to itself without going into the config, or through too many schemas";
const NO_SCHEMA: &str = "it refers to what is not in it";
const UNCOUNTED: &str = "it uses unevaluatedItems, unevaluatedProperties, $dynamicRef or $recursiveRef, whose work is not bounded; \
                         additionalProperties and $ref do in most cases";

/// Keywords whose schemas are applied to the same value.
const HERE: [&str; 5] = ["not", "if", "then", "else", "contentSchema"];
/// The same, in a list.
const LISTS_HERE: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// The same, by name.
const MAPS_HERE: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Keywords whose schema or list of schemas is applied to what is in the value.
const BELOW: [&str; 6] =
    ["items", "prefixItems", "additionalItems", "contains", "additionalProperties", "propertyNames"];
/// Keywords of which each value within may make a comparison, or be in an error.
const LISTED: [&str; 6] = ["required", "dependentRequired", "dependencies", "enum", "const", "not"];
/// Keywords with which the validator compiles or applies a schema anew for every way that leads to it: that is not counted.
const REFUSED: [&str; 4] = ["unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef"];

/// Which other schemas a schema applies; as numbers.
#[derive(Debug, Default)]
struct Node {
    /// To the same value.
    here: Vec<usize>,
    /// To the value of a key.
    named: HashMap<String, usize>,
    /// To what is in the value.
    below: Vec<usize>,
    /// What it compares with, or tells of, by itself: one error for each missing key, a copy of what must not be.
    own: u64,
}

/// The schemas that can be reached from the root, which is the first.
#[derive(Debug)]
pub(super) struct Work(Vec<Node>);

impl Work {
    /// - `schema`: the whole, which the validator takes
    ///
    /// # Errors
    /// Where a reference leads nowhere, or applying one of its schemas to any value takes too much.
    pub(super) fn of(schema: &Value) -> Result<Self, &'static str> {
        let work = Self(Graph::build(schema, &Names::of(schema)?)?);
        let mut count = Count::of(&work.0);
        // A scalar has nothing in it: what is counted is what every value takes.
        (0..work.0.len()).try_for_each(|node| count.apply(node, &Value::Null, 0).map(drop))?;
        Ok(work)
    }

    /// Whether the schema can be applied to this config.
    ///
    /// # Errors
    /// Where it takes too much.
    pub(super) fn admit(&self, config: &Value) -> Result<(), &'static str> {
        Count::of(&self.0).apply(0, config, 0).map(drop)
    }
}

/// What references can name.
struct Names<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, &'a Value>,
}

impl<'a> Names<'a> {
    fn of(root: &'a Value) -> Result<Self, &'static str> {
        let mut names = Self { root, anchors: HashMap::new() };
        names.collect(root)?;
        Ok(names)
    }

    fn collect(&mut self, value: &'a Value) -> Result<(), &'static str> {
        if let Value::Object(object) = value {
            let has = |key: &str| object.get(key).is_some_and(Value::is_string);
            if (has("$id") || has("$schema")) && !ptr::eq(value, self.root) {
                return Err("it has an `$id` or `$schema` within it; refer to its parts by `#/$defs/...`");
            }
            let anchor = object.get("$anchor").and_then(Value::as_str);
            if has("$dynamicAnchor") || anchor.is_some_and(|anchor| self.anchors.insert(anchor, value).is_some()) {
                return Err("it has a `$dynamicAnchor`, or one `$anchor` twice");
            }
        }
        contents(value).try_for_each(|(_, inner)| self.collect(inner))
    }

    /// What a reference means.
    fn find(&self, reference: &str) -> Result<&'a Value, &'static str> {
        let fragment = reference.strip_prefix('#').ok_or("it refers to another document")?;
        let decoded = percent_decoded(fragment).ok_or(NO_SCHEMA)?;
        if decoded.is_empty() || decoded.starts_with('/') {
            return at(self.root, &decoded).ok_or(NO_SCHEMA);
        }
        self.anchors.get(fragment).copied().ok_or(NO_SCHEMA)
    }
}

/// Behind a JSON pointer (RFC 6901), as the validator reads it.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, token| match value {
        Value::Object(object) => object.get(&token.replace("~1", "/").replace("~0", "~")),
        // One spelling of each (RFC 6901 §4): the validator compiles what is behind another one anew.
        Value::Array(items) => items.get(token.parse::<usize>().ok().filter(|index| index.to_string() == token)?),
        _ => None,
    })
}

/// RFC 3986 §2.1; none where it is no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten();
        let decoded = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// What is directly in a value, with its key where it has one.
fn contents(value: &Value) -> Box<dyn Iterator<Item = (Option<&str>, &Value)> + '_> {
    match value {
        Value::Object(object) => Box::new(object.iter().map(|(key, value)| (Some(key.as_str()), value))),
        Value::Array(items) => Box::new(items.iter().map(|value| (None, value))),
        _ => Box::new(std::iter::empty()),
    }
}

/// How many values there are.
fn size(value: &Value) -> u64 {
    1 + contents(value).map(|(_, inner)| size(inner)).sum::<u64>()
}

/// Numbers schemas as they are met.
#[derive(Default)]
struct Graph<'a> {
    numbers: HashMap<*const Value, usize>,
    met: Vec<&'a Value>,
}

impl<'a> Graph<'a> {
    fn build(schema: &'a Value, names: &Names<'a>) -> Result<Vec<Node>, &'static str> {
        let (mut graph, mut nodes) = (Self::default(), Vec::new());
        graph.number(schema);
        while let Some(schema) = graph.met.get(nodes.len()).copied() {
            let node = match schema {
                Value::Object(keywords) => graph.node(keywords, names)?,
                _ => Node::default(),
            };
            nodes.push(node);
        }
        Ok(nodes)
    }

    fn number(&mut self, schema: &'a Value) -> usize {
        let next = self.met.len();
        let number = *self.numbers.entry(ptr::from_ref(schema)).or_insert(next);
        if number == next {
            self.met.push(schema);
        }
        number
    }

    fn node(&mut self, keywords: &'a Map<String, Value>, names: &Names<'a>) -> Result<Node, &'static str> {
        let mut node = Node::default();
        for (keyword, value) in keywords {
            if LISTED.contains(&keyword.as_str()) {
                node.own += size(value);
            }
            match keyword.as_str() {
                keyword if HERE.contains(&keyword) => node.here.push(self.number(value)),
                keyword if LISTS_HERE.contains(&keyword) || MAPS_HERE.contains(&keyword) => {
                    node.here.extend(contents(value).map(|(_, schema)| self.number(schema)));
                }
                keyword if BELOW.contains(&keyword) => match value {
                    Value::Array(schemas) => node.below.extend(schemas.iter().map(|schema| self.number(schema))),
                    schema => node.below.push(self.number(schema)),
                },
                "patternProperties" => node.below.extend(contents(value).map(|(_, schema)| self.number(schema))),
                "properties" => {
                    let named = contents(value).filter_map(|(key, schema)| Some((key?.to_owned(), schema)));
                    node.named.extend(named.map(|(key, schema)| (key, self.number(schema))));
                }
                "$ref" => node.here.push(self.number(names.find(value.as_str().unwrap_or_default())?)),
                keyword if REFUSED.contains(&keyword) => return Err(UNCOUNTED),
                _ => {}
            }
        }
        Ok(node)
    }
}

/// What applying a schema to a value takes.
#[derive(Clone, Copy)]
struct Taken {
    steps: u64,
    depth: usize,
}

/// Schemas by number, and what is known of a schema and a value; of scalars, which all take the same, without the value.
struct Count<'a> {
    nodes: &'a [Node],
    known: HashMap<(usize, *const Value), Taken>,
}

impl<'a> Count<'a> {
    fn of(nodes: &'a [Node]) -> Self {
        Self { nodes, known: HashMap::new() }
    }

    fn apply(&mut self, number: usize, config: &Value, depth: usize) -> Result<Taken, &'static str> {
        let has_contents = config.is_object() || config.is_array();
        let key = (number, if has_contents { ptr::from_ref(config) } else { ptr::null() });
        let known = self.known.get(&key).copied();
        if depth + known.map_or(0, |taken| taken.depth) > MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        if let Some(taken) = known {
            return Ok(taken);
        }
        let nodes = self.nodes;
        let Some(node) = nodes.get(number) else { return Err(NO_SCHEMA) };
        let mut taken = Taken { steps: 1 + node.own, depth: 0 };
        if taken.steps > MAX_STEPS {
            return Err(TOO_MANY);
        }
        for inner in &node.here {
            taken.add(self.apply(*inner, config, depth + 1)?)?;
        }
        for (key, value) in contents(config) {
            for inner in key.and_then(|key| node.named.get(key)).into_iter().chain(&node.below) {
                taken.add(self.apply(*inner, value, depth + 1)?)?;
            }
        }
        self.known.insert(key, taken);
        if self.known.len() as u64 > MAX_STEPS { Err(TOO_MANY) } else { Ok(taken) }
    }
}

impl Taken {
    fn add(&mut self, inner: Self) -> Result<(), &'static str> {
        self.steps += inner.steps;
        self.depth = self.depth.max(inner.depth + 1);
        if self.steps > MAX_STEPS { Err(TOO_MANY) } else { Ok(()) }
    }
}

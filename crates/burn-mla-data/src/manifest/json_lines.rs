//! Objects of JSON Lines, read into a table without a copy of their texts on the way.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Number;

use super::read::Table;

/// Reads the object of a line into the last row of a table, or returns the problem.
pub(super) fn read_object(line: &[u8], table: &mut Table) -> Result<(), String> {
    let mut problem = None;
    let mut json = serde_json::Deserializer::from_slice(line);
    let object = Object {
        table,
        problem: &mut problem,
    };
    let read = object.deserialize(&mut json).and_then(|()| json.end());
    // Problems of ours have no column.
    read.map_err(|error| problem.unwrap_or_else(|| error.to_string()))
}

struct Object<'a> {
    table: &'a mut Table,
    problem: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Value<'de>>()? {
            let Value::Text(name) = name else {
                return Err(A::Error::custom("a name that is no text"));
            };
            let name = name.trim();
            let problem = match map.next_value()? {
                Value::Null => continue,
                Value::Text(cell) if self.table.set_cell(name, cell.trim()) => continue,
                Value::Text(_) => "occurs twice",
                Value::Nested => "is no text or number",
            };
            *self.problem = Some(format!("`{name}` {problem}"));
            return Err(A::Error::custom(problem));
        }
        Ok(())
    }
}

enum Value<'de> {
    Null,
    Text(Cow<'de, str>),
    /// An array or an object.
    Nested,
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_string())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(text(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(text(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(text(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value<'de>, E> {
        // JSON has no other numbers.
        let number = Number::from_f64(value);
        number
            .map(text)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Nested)
    }
}

fn text<'de>(value: impl ToString) -> Value<'de> {
    Value::Text(Cow::Owned(value.to_string()))
}

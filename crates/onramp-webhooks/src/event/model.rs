//! Macros that read and write models: a plain struct and one line per field.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Extra, RawJson};

/// Implements reading and writing for a struct of known fields and `extra`. Each field is `required`, `optional` or `if_fits`, with
/// the meaning of the methods of [`Fields`](super::fields::Fields).
macro_rules! model {
    ($model:ident { $($field:ident: $presence:ident),+ $(,)? }) => {
        impl $model {
            fn from_fields(mut fields: $crate::event::fields::Fields<'_>) -> Result<Self, $crate::event::DecodeError> {
                Ok(Self { $($field: fields.$presence(stringify!($field))?,)+ extra: fields.into() })
            }
        }

        impl $crate::event::fields::Decode for $model {
            fn decode(value: $crate::json::Value<'_>) -> Result<Self, $crate::event::DecodeError> {
                Self::from_fields($crate::event::fields::Fields::read(value)?)
            }
        }

        impl serde::Serialize for $model {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = $crate::event::model::ObjectWriter::begin(serializer)?;
                $(object.$presence(stringify!($field), &self.$field)?;)+
                object.end(&self.extra)
            }
        }

        $crate::event::model::deserialize_by_decoding!($model);
    };
}
pub(crate) use model;

/// Implements serde's `Deserialize` with the same decoder.
macro_rules! deserialize_by_decoding {
    ($model:ty) => {
        impl<'de> serde::Deserialize<'de> for $model {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let json = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
                $crate::event::fields::Decode::decode_text(json.get()).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use deserialize_by_decoding;

/// Writes an object: the present fields, then the extra ones.
pub(crate) struct ObjectWriter<S: Serializer> {
    map: S::SerializeMap,
    written: Vec<&'static str>,
}

impl<S: Serializer> ObjectWriter<S> {
    pub(crate) fn begin(serializer: S) -> Result<Self, S::Error> {
        Ok(Self { map: serializer.serialize_map(None)?, written: Vec::new() })
    }

    pub(crate) fn required<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), S::Error> {
        self.written.push(name);
        self.map.serialize_entry(name, value)
    }

    pub(crate) fn optional<T: Serialize>(&mut self, name: &'static str, value: &Option<T>) -> Result<(), S::Error> {
        value.as_ref().map_or(Ok(()), |value| self.required(name, value))
    }

    pub(crate) fn if_fits<T: Serialize>(&mut self, name: &'static str, value: &Option<T>) -> Result<(), S::Error> {
        self.optional(name, value)
    }

    pub(crate) fn others<'a>(&mut self, mut fields: impl Iterator<Item = (&'a str, &'a RawJson)>) -> Result<(), S::Error> {
        fields.try_for_each(|(name, value)| self.map.serialize_entry(name, value))
    }

    pub(crate) fn end(mut self, extra: &Extra) -> Result<S::Ok, S::Error> {
        let written = std::mem::take(&mut self.written);
        self.others(extra.iter().filter(|(name, _)| !written.contains(name)))?;
        self.map.end()
    }
}

//! A serializer that flattens a struct of texts into values by key, without building a tree.

use std::fmt::Display;
use std::sync::Arc;

use mesh::visible::visible;
use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeSeq, SerializeStruct, SerializeTuple, Serializer};
use serde_json::Error;

use crate::dashboard::live_values::keys::{Key, Keys};
use crate::dashboard::live_values::values::{Draft, Values};

/// Flattens a struct of texts; nested structs get a dot in their key.
pub fn values_of(shown: &impl Serialize) -> Values {
    flatten(shown, &Arc::default())
}

/// Flattens a struct, which probably has the keys `like`.
pub(super) fn flatten(shown: &impl Serialize, like: &Arc<Keys>) -> Values {
    let mut draft = Draft::like(Arc::clone(like));
    let flat = Flattener { key: Key::default(), into: &mut draft };
    shown.serialize(flat).expect("live values are texts and structs of texts");
    draft.finished()
}

/// Keys of list items: their index.
const PLACES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The serializer of one key: a text, or a struct of more of them.
struct Flattener<'a> {
    key: Key,
    into: &'a mut Draft,
}

impl Flattener<'_> {
    fn text(self, text: &str) {
        // Scripts insert these texts unchanged, so hidden characters are escaped here.
        self.into.push(self.key, &visible(text));
    }
}

impl SerializeStruct for Flattener<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, field: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(Flattener { key: self.key.within(field), into: self.into })
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// The serializer of a list: each item under its index.
struct List<'a> {
    of: Flattener<'a>,
    place: usize,
}

impl List<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let name = PLACES.get(self.place).ok_or_else(|| Error::custom("a list of live values has at most 10 items"))?;
        self.place += 1;
        self.of.serialize_field(name, value)
    }
}

impl SerializeSeq for List<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// An array is a tuple to serde.
impl SerializeTuple for List<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// Primitive types, written with `to_string`.
macro_rules! written {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, value: $type) -> Result<(), Error> {
            self.text(&value.to_string());
            Ok(())
        })*
    };
}

/// Types that no live value has.
macro_rules! unknown {
    ($($name:ident($($type:ty),*) -> $ok:ty),*) => {
        $(fn $name(self, $(_: $type),*) -> Result<$ok, Error> {
            Err(Error::custom(concat!("unsupported type of a live value: ", stringify!($name))))
        })*
    };
}

type No = Impossible<(), Error>;

impl<'a> Serializer for Flattener<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = Flattener<'a>;
    type SerializeStructVariant = No;

    written!(
        serialize_bool: bool, serialize_char: char, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32, serialize_f64: f64
    );

    unknown!(
        serialize_bytes(&[u8]) -> (),
        serialize_none() -> (),
        serialize_unit() -> (),
        serialize_unit_struct(&'static str) -> (),
        serialize_tuple_struct(&'static str, usize) -> No,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No,
        serialize_map(Option<usize>) -> No,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No
    );

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.text(text);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, text: &T) -> Result<(), Error> {
        self.text(&text.to_string());
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.text(variant);
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, Error> {
        Ok(List { of: self, place: 0 })
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, Error> {
        Ok(List { of: self, place: 0 })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Flattener<'a>, Error> {
        Ok(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(Error::custom("unsupported type of a live value: a variant with a value"))
    }
}

//! Values of an author's own types: anything that serde can write and read, under a name of its own.
//!
//! Storm registers such types with Kryo (`topology.kryo.register`); here a type says its name itself
//! ([`Registered`]). Within a worker the value itself is passed on; to another worker, into state and for
//! comparison it is JSON, so that a newer version of a program may read what an older one wrote.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::text::Text;

/// A type of one's own whose values tuples may hold ([`Value::object`](crate::Value::object)).
///
/// ```
/// use fulmar_api::object::Registered;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Reading { celsius: f64 }
///
/// impl Registered for Reading {
///     const NAME: &'static str = "reading";
/// }
/// ```
pub trait Registered: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What its values are called between workers and on disk: other programs that read them use the
    /// same name.
    const NAME: &'static str;
}

/// A value of a registered type, shared.
#[derive(Clone)]
pub struct Object(Arc<Inner>);

struct Inner {
    name: Text,
    json: Box<[u8]>,
    /// The value itself; one that came from elsewhere is read when it is first asked for.
    typed: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Object {
    /// Of a value.
    ///
    /// # Errors
    /// It has no JSON form (a map whose keys are no texts, for example).
    pub fn new<T: Registered>(value: T) -> Result<Self> {
        let json = serde_json::to_vec(&value);
        let json =
            json.map_err(|e| Error::msg(format!("a \"{}\" has no JSON form: {e}", T::NAME)))?;
        Ok(Self(Arc::new(Inner {
            name: Text::new(T::NAME),
            json: json.into(),
            typed: OnceLock::from(Box::new(value) as Box<dyn Any + Send + Sync>),
        })))
    }

    /// As it came from another worker or from disk.
    pub fn received(name: &str, json: &[u8]) -> Self {
        Self(Arc::new(Inner {
            name: Text::new(name),
            json: json.into(),
            typed: OnceLock::new(),
        }))
    }

    /// The name of its type.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its JSON.
    pub fn json(&self) -> &[u8] {
        &self.0.json
    }

    /// The value.
    ///
    /// # Errors
    /// It is of another type, or its JSON is not that of this one (an older or newer program wrote it).
    pub fn get<T: Registered>(&self) -> Result<&T> {
        if self.0.name != T::NAME {
            let (got, wanted) = (&self.0.name, T::NAME);
            return Err(Error::msg(format!("a \"{got}\" is not a \"{wanted}\"")));
        }
        if self.0.typed.get().is_none() {
            let read: T = serde_json::from_slice(&self.0.json)
                .map_err(|e| Error::msg(format!("cannot be read as a \"{}\": {e}", T::NAME)))?;
            // Another thread may have read it meanwhile: the same.
            let _ = self.0.typed.set(Box::new(read));
        }
        let typed = self.0.typed.get().and_then(|t| t.downcast_ref());
        typed.ok_or_else(|| Error::msg(format!("two types are called \"{}\"", T::NAME)))
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.name == other.0.name && self.0.json == other.0.json)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = String::from_utf8_lossy(&self.0.json);
        write!(f, "{}({json})", self.0.name)
    }
}

impl Serialize for Object {
    /// As its JSON says, without its name: read back it is a map or a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let json: serde_json::Value =
            serde_json::from_slice(&self.0.json).map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Value;
    use crate::codec;
    use crate::hash::java_hash;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Reading {
        celsius: f64,
        place: Vec<String>,
    }

    impl Registered for Reading {
        const NAME: &'static str = "reading";
    }

    #[derive(Serialize, Deserialize)]
    struct Other(u8);

    impl Registered for Other {
        const NAME: &'static str = "other";
    }

    fn reading() -> Reading {
        Reading {
            celsius: 21.5,
            place: vec!["roof".to_owned()],
        }
    }

    #[test]
    fn it_comes_back_from_bytes_and_is_equal() {
        let value = Value::object(reading()).unwrap();
        let again = codec::read(&codec::bytes_of(&value)).unwrap();
        assert_eq!(again, value);
        assert_eq!(java_hash(&again), java_hash(&value));
        let Value::Object(again) = &again else {
            panic!("{again:?}")
        };
        assert_eq!(*again.get::<Reading>().unwrap(), reading());
        assert_eq!(again.get::<Reading>().unwrap().celsius, 21.5);
        let other = Value::object(Reading {
            celsius: 3.0,
            place: Vec::new(),
        });
        assert_ne!(other.unwrap(), value);
    }

    #[test]
    fn another_type_or_another_form_is_refused_by_name() {
        let object = Object::new(reading()).unwrap();
        let said = object.get::<Other>().map(|o| o.0).unwrap_err().to_string();
        assert_eq!(said, "a \"reading\" is not a \"other\"");
        let wrong = Object::received("reading", b"{\"celsius\":\"warm\"}");
        let said = wrong.get::<Reading>().unwrap_err().to_string();
        assert!(said.contains("cannot be read as a \"reading\""), "{said}");
        let keys = std::collections::HashMap::from([((1, 2), 3)]);
        #[derive(Serialize, Deserialize)]
        struct Keys(std::collections::HashMap<(i32, i32), i32>);
        impl Registered for Keys {
            const NAME: &'static str = "keys";
        }
        let said = Value::object(Keys(keys)).unwrap_err().to_string();
        assert!(said.starts_with("a \"keys\" has no JSON form"), "{said}");
    }

    #[test]
    fn as_json_it_is_its_content() {
        let value = Value::object(reading()).unwrap();
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(json, "{\"celsius\":21.5,\"place\":[\"roof\"]}");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read.kind(), "map");
    }
}

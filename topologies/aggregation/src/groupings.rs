//! Which (grouping, entity) an estimate feeds.
//!
//! A grouping is `org` or some of `site`, `ap`, `band`, `wlan` joined by `+`; an entity is the organisation followed
//! by the values of the grouping's fields in its order, joined by `/`. The organisation stands there once:
//! grouping `org` has the entity `acme`, `site+band` has `acme/berlin/5`.
//! Pure: no clock, no I/O, no async.

use std::fmt;
use std::str::FromStr;

use crate::error::AggregationError;

/// Most groupings at once: an estimate's folds are counted by them.
pub const MOST: usize = 32;

/// A field that estimates can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Org,
    Site,
    Ap,
    Band,
    Wlan,
}

const FIELDS: [(&str, Field); 5] = [
    ("org", Field::Org),
    ("site", Field::Site),
    ("ap", Field::Ap),
    ("band", Field::Band),
    ("wlan", Field::Wlan),
];

/// Where an estimate comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dims<'a> {
    /// Organisation.
    pub org: &'a str,
    /// Site.
    pub site: &'a str,
    /// Access point.
    pub ap: &'a str,
    /// `24`, `5` or `6`.
    pub band: &'a str,
    /// Network name.
    pub wlan: &'a str,
}

impl<'a> Dims<'a> {
    fn value(&self, field: Field) -> &'a str {
        match field {
            Field::Org => self.org,
            Field::Site => self.site,
            Field::Ap => self.ap,
            Field::Band => self.band,
            Field::Wlan => self.wlan,
        }
    }
}

/// One grouping, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    name: String,
    fields: Vec<Field>,
}

impl Grouping {
    /// Its name, for example `site+band`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entity that an estimate from there belongs to.
    pub fn entity(&self, dims: &Dims<'_>) -> String {
        let mut entity = String::with_capacity(48);
        entity.push_str(dims.org);
        for field in self.fields.iter().filter(|f| **f != Field::Org) {
            entity.push('/');
            entity.push_str(dims.value(*field));
        }
        entity
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Grouping {
    type Err = AggregationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |problem: String| AggregationError::Grouping {
            grouping: text.to_owned(),
            problem,
        };
        let mut fields = Vec::new();
        for part in text.split('+') {
            let field = FIELDS.iter().find(|(name, _)| *name == part);
            let (_, field) = field.ok_or_else(|| wrong(format!("\"{part}\" is no field")))?;
            if fields.contains(field) {
                return Err(wrong(format!("\"{part}\" stands there twice")));
            }
            fields.push(*field);
        }
        Ok(Self {
            name: text.to_owned(),
            fields,
        })
    }
}

/// Reads a list of groupings.
///
/// # Errors
/// A name that is none, one that stands there twice, none at all, or more than [`MOST`].
pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Vec<Grouping>, AggregationError> {
    let mut groupings: Vec<Grouping> = Vec::new();
    for name in names.iter().map(|n| n.as_ref().trim()) {
        let grouping: Grouping = name.parse()?;
        let wrong = |problem: String| AggregationError::Grouping {
            grouping: name.to_owned(),
            problem,
        };
        if groupings.contains(&grouping) {
            return Err(wrong("it is configured twice".to_owned()));
        }
        if groupings.len() == MOST {
            return Err(wrong(format!("it is one more than the {MOST} allowed")));
        }
        groupings.push(grouping);
    }
    if groupings.is_empty() {
        return Err(AggregationError::Grouping {
            grouping: String::new(),
            problem: "none is configured".to_owned(),
        });
    }
    Ok(groupings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: Dims<'static> = Dims {
        org: "acme",
        site: "berlin",
        ap: "ap1",
        band: "5",
        wlan: "guests",
    };

    #[test]
    fn entities_begin_with_the_organisation_and_keep_the_groupings_order() {
        let entity = |g: &str| g.parse::<Grouping>().unwrap().entity(&DIMS);
        assert_eq!(entity("org"), "acme");
        assert_eq!(entity("ap"), "acme/ap1");
        assert_eq!(entity("site+band"), "acme/berlin/5");
        assert_eq!(entity("wlan+site"), "acme/guests/berlin");
        assert_eq!(entity("org+site"), "acme/berlin");
    }

    #[test]
    fn wrong_groupings_are_refused_with_the_remedy() {
        for (names, problem) in [
            (vec!["site+floor"], "\"floor\" is no field"),
            (vec!["site+site"], "\"site\" stands there twice"),
            (vec!["site", "ap", "site"], "configured twice"),
            (vec![], "none is configured"),
        ] {
            let error = parse(&names).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert!(error.contains("org, site, ap, band, wlan"), "{error}");
        }
        let names: Vec<_> = parse(&["org", "site+wlan"]).unwrap();
        assert_eq!(names[1].to_string(), "site+wlan");
    }
}

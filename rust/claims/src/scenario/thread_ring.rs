//! A thread ring as a scenario: its types, which are the exhibits' and know no JSON, with JSON.

use serde::{Deserialize, Serialize};
use zero_cost_ffi::thread_ring::{Plan, Variant};

/// Who hands the messages on, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadRing {
    #[serde(with = "by_name")]
    pub variant: Variant,
    #[serde(with = "PlanFields")]
    pub plan: Plan,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Plan", deny_unknown_fields)]
struct PlanFields {
    stages: usize,
    in_flight: usize,
    hops_each: usize,
    buffer: usize,
}

/// A variant is written as its name.
mod by_name {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use zero_cost_ffi::thread_ring::Variant;

    pub fn serialize<S: Serializer>(variant: &Variant, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(variant)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Variant, D::Error> {
        let name = String::deserialize(deserializer)?;
        Variant::ALL
            .into_iter()
            .find(|variant| variant.to_string() == name)
            .ok_or_else(|| D::Error::custom(format!("no thread ring {name}")))
    }
}

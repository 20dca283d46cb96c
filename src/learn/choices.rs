//! Lists of what can be chosen by name: optimisers, schedules, networks. A line adds one.

/// An enum of settings that JSON tells apart by `type`, with their names there, and the trait object
/// that all of them are:
///
/// ```text
/// choices! {
///     /// Which optimiser, with its settings.
///     pub enum OptimizerSpec: dyn OptimizerSettings;
///     /// Adam (Kingma and Ba 2015).
///     Adam(AdamSpec) = "adam",
/// }
/// ```
macro_rules! choices {
    (
        $(#[$about:meta])*
        pub enum $name:ident: dyn $common:path;
        $($(#[$doc:meta])* $variant:ident($settings:ty) = $tag:tt,)+
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(tag = "type")]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $tag)] $variant($settings),)+
        }

        impl $name {
            /// Its name in JSON.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $tag,)+
                }
            }

            /// What all of them are.
            pub(in crate::learn) fn common(&self) -> &dyn $common {
                match self {
                    $(Self::$variant(settings) => settings,)+
                }
            }
        }
    };
}
pub(super) use choices;

/// Every choice as `{"type": name}`, by the schema, so that a new one is in every suite already.
#[cfg(test)]
pub(super) fn every_kind<T: utoipa::PartialSchema>() -> Vec<serde_json::Value> {
    use serde_json::{Value, json};

    let schema = serde_json::to_value(T::schema()).unwrap();
    let kind = |variant: &Value| {
        let parts = variant["allOf"].as_array().cloned().unwrap_or_else(|| vec![variant.clone()]);
        let tagged = parts.iter().find(|part| part["properties"]["type"].is_object()).unwrap();
        json!({ "type": tagged["properties"]["type"]["enum"][0] })
    };
    schema["oneOf"].as_array().unwrap().iter().map(kind).collect()
}

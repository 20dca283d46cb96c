//! Enums of names, with what each is, as JSON and the catalogue tell them. A line adds one.

/// An enum whose variants have a name in JSON, listed, named and described.
macro_rules! named {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $tag:tt,)+
        }
    ) => {
        $(#[$about])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize,
            serde::Deserialize, utoipa::ToSchema,
        )]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $tag)] $variant,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $tag,)+
                }
            }

            /// What it is.
            pub fn description(self) -> String {
                let text = match self {
                    $(Self::$variant => concat!($($doc),+),)+
                };
                text.trim().replace('\\', "")
            }
        }
    };
}
pub(in crate::eval) use named;

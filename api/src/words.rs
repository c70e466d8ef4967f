//! Defines enums of words that a later version may extend.

/// Defines an enum whose variants are written in snake case, with a variant for words that this version does not know.
/// The OpenAPI document lists the known words only.
macro_rules! words {
    (
        $(#[$about:meta])*
        pub enum $name:ident { $($(#[$about_word:meta])* $word:ident,)+ }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$about_word])* $word,)+
            /// A word that this version does not know.
            #[serde(untagged)]
            Unknown(String),
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                serde::Serialize::serialize(self, f)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let words = [$(serde_json::to_value(Self::$word).ok(),)+];
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .enum_values(Some(words.into_iter().flatten()))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

pub(crate) use words;

//! Which types a Rust file puts into the API's document, and by which names.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What one file puts into the document.
#[derive(Default)]
pub struct Schemas {
    /// Types that do, by the name that they have there.
    pub types: Vec<SchemaType>,
    /// Macros whose types do.
    pub macros: Vec<String>,
}

/// A type, as the document names it.
pub struct SchemaType {
    pub line: usize,
    pub name: String,
    /// The macro that the type is written in; it counts if that macro derives a schema.
    pub made_by: Option<String>,
}

impl Schemas {
    /// Reads Rust. Tests are left out: their types never reach the document.
    pub fn read(tokens: TokenStream) -> Self {
        let mut found = Self::default();
        found.visit(tokens, None);
        found
    }

    fn visit(&mut self, tokens: TokenStream, made_by: Option<&str>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut attributes: Vec<TokenStream> = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            at += match &tokens[at..] {
                [TokenTree::Punct(hash), TokenTree::Group(attribute), ..]
                    if hash.as_char() == '#' && attribute.delimiter() == Delimiter::Bracket =>
                {
                    attributes.push(attribute.stream());
                    2
                }
                [
                    TokenTree::Ident(word),
                    TokenTree::Punct(mark),
                    TokenTree::Ident(name),
                    TokenTree::Group(body),
                    ..,
                ] if word == "macro_rules" && mark.as_char() == '!' => {
                    if holds(&body.stream(), "ToSchema") {
                        self.macros.push(name.to_string());
                    }
                    attributes.clear();
                    4
                }
                [TokenTree::Ident(name), TokenTree::Punct(mark), TokenTree::Group(body), ..]
                    if mark.as_char() == '!' =>
                {
                    self.visit(body.stream(), Some(&name.to_string()));
                    attributes.clear();
                    3
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), ..]
                    if word == "struct" || word == "enum" =>
                {
                    let derives = attributes.iter().any(|a| holds(a, "ToSchema"));
                    let made_by = made_by.filter(|_| !derives).map(str::to_owned);
                    if derives || made_by.is_some() {
                        let line = name.span().start().line;
                        let renamed = attributes.iter().find_map(renamed);
                        let name = renamed.unwrap_or_else(|| name.to_string());
                        self.types.push(SchemaType { line, name, made_by });
                    }
                    attributes.clear();
                    2
                }
                [TokenTree::Ident(word), TokenTree::Ident(of), TokenTree::Ident(name), ..]
                    if word == "ToSchema" && of == "for" =>
                {
                    let (line, name) = (name.span().start().line, name.to_string());
                    self.types.push(SchemaType { line, name, made_by: None });
                    3
                }
                [TokenTree::Ident(word), TokenTree::Group(group), ..]
                    if word == "pub" && group.delimiter() == Delimiter::Parenthesis =>
                {
                    2
                }
                [TokenTree::Ident(word), ..] if word == "pub" => 1,
                [TokenTree::Ident(word), TokenTree::Ident(_), TokenTree::Group(body), ..]
                    if word == "mod" =>
                {
                    if !attributes.iter().any(|a| holds(a, "test")) {
                        self.visit(body.stream(), made_by);
                    }
                    attributes.clear();
                    3
                }
                [TokenTree::Group(group), ..] => {
                    self.visit(group.stream(), made_by);
                    attributes.clear();
                    1
                }
                _ => {
                    attributes.clear();
                    1
                }
            };
        }
    }
}

/// Whether a word stands anywhere in tokens.
fn holds(tokens: &TokenStream, word: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(found) => found == word,
        TokenTree::Group(group) => holds(&group.stream(), word),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The name that `#[schema(as = …)]` gives.
fn renamed(attribute: &TokenStream) -> Option<String> {
    let tokens: Vec<TokenTree> = attribute.clone().into_iter().collect();
    let [TokenTree::Ident(word), TokenTree::Group(body)] = tokens.as_slice() else { return None };
    let settings: Vec<TokenTree> =
        if word == "schema" { body.stream().into_iter().collect() } else { return None };
    let comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
    settings.split(comma).find_map(|setting| match setting {
        [TokenTree::Ident(word), TokenTree::Punct(_), name @ ..] if word == "as" => {
            let name: Vec<String> = name.iter().map(ToString::to_string).collect();
            Some(name.concat())
        }
        _ => None,
    })
}

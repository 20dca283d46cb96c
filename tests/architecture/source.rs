//! Reads what a Rust file imports and names.

use std::path::Path;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use super::schemas::Schemas;

/// A path of modules from the crate's root; empty for the root itself.
pub type Module = Vec<String>;

/// A path that names something of this crate, spelled out from the crate's root.
pub struct Import {
    pub line: usize,
    pub path: Module,
}

/// What the rules need to know of one file.
pub struct Source {
    pub file: String,
    pub module: Module,
    pub lines: usize,
    pub imports: Vec<Import>,
    pub names: Vec<(usize, String)>,
    pub schemas: Schemas,
}

impl Source {
    /// Reads Rust. Comments and strings fall away with the lexer; macros are looked into as well.
    pub fn read(file: &str, text: &str) -> Self {
        let module = module_of(file);
        let lines = text.lines().count();
        let mut source = Self {
            file: file.to_owned(),
            module: module.clone(),
            lines,
            imports: Vec::new(),
            names: Vec::new(),
            schemas: Schemas::default(),
        };
        let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
        if module.last().is_none_or(|last| last != "tests") {
            source.schemas = Schemas::read(tokens.clone());
        }
        source.visit(tokens, &module);
        source
    }

    fn visit(&mut self, tokens: TokenStream, module: &Module) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at..] {
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
                    if word == "mod" && body.delimiter() == Delimiter::Brace =>
                {
                    self.visit(body.stream(), &inside(module, name));
                    at += 3;
                }
                [TokenTree::Ident(word), rest @ ..] => {
                    self.names.push((line(word), word.to_string()));
                    let begins = at < 2 || !is_path_separator(&tokens[at - 2..]);
                    if let Some(start) = self.start(word, module)
                        && begins
                        && is_path_separator(rest)
                    {
                        self.path(&tokens, at + 1, start, line(word));
                    }
                    at += 1;
                }
                [TokenTree::Group(group), ..] => {
                    self.visit(group.stream(), module);
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// Where a path that begins with this word begins, if that is in this crate.
    fn start(&self, word: &Ident, module: &Module) -> Option<Module> {
        match word.to_string().as_str() {
            "crate" => Some(Module::new()),
            "whereof" if self.file == "src/main.rs" => Some(Module::new()),
            "self" => Some(module.clone()),
            "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
            _ => None,
        }
    }

    /// Follows a path from the `::` at `at`, into every branch of its braces.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, mut path: Module, line_of: usize) {
        let mut last = line_of;
        while is_path_separator(&tokens[at..]) {
            match tokens.get(at + 2) {
                Some(TokenTree::Ident(word)) => {
                    step(&mut path, word);
                    last = line(word);
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for branch in
                        inner.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ','))
                    {
                        if let Some(TokenTree::Ident(word)) = branch.first() {
                            let mut path = path.clone();
                            step(&mut path, word);
                            self.path(branch, 1, path, line(word));
                        }
                    }
                    return;
                }
                _ => break,
            }
            at += 3;
        }
        self.imports.push(Import { line: last, path });
    }
}

fn line(word: &Ident) -> usize {
    word.span().start().line
}

fn inside(module: &[String], name: &Ident) -> Module {
    [module, &[name.to_string()]].concat()
}

fn step(path: &mut Module, word: &Ident) {
    match word.to_string().as_str() {
        "self" => {}
        "super" => drop(path.pop()),
        name => path.push(name.to_owned()),
    }
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ':');
    matches!(tokens, [first, second, ..] if colon(first) && colon(second))
}

/// The module that a file holds. `x_tests.rs` stands beside `x.rs` and holds its `mod tests`.
fn module_of(file: &str) -> Module {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    match module.last().map(String::as_str) {
        Some("mod" | "lib") => drop(module.pop()),
        Some(name) if name.ends_with("_tests") => {
            let tested = name.trim_end_matches("_tests").to_owned();
            module.pop();
            module.extend([tested, "tests".to_owned()]);
        }
        _ => {}
    }
    module
}

/// Every Rust file of a folder of this package.
pub fn sources_of(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source::read(&file, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    assert!(!sources.is_empty(), "no Rust in {folder}");
    sources
}

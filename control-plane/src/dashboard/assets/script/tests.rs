//! What the minifier must keep, and what it must shorten.

use std::collections::HashMap;

use crate::dashboard::assets::script::*;

fn small(text: &str) -> String {
    shrink(text)
}

#[test]
fn modules_come_after_what_they_import_and_once() {
    let file = |name: &str| {
        Some(match name {
            "a.js" => "import { b } from './b.js';\nimport { c } from './c.js';\nb(c);\n".to_owned(),
            "b.js" => "// Says b.\nimport { c } from './c.js';\nexport const b = c;\n".to_owned(),
            _ => "export const c = 1;\n".to_owned(),
        })
    };
    assert_eq!(script("a.js", file), "const c=1,b=c;b(c);");
}

#[test]
fn only_names_of_ours_are_shortened() {
    assert_eq!(small("const counter = told.counter; set(counter);"), "const counter=told.counter;set(counter);");
    assert_eq!(small("let seconds = 1; seconds += 1;"), "let m=1;m+=1;");
    assert_eq!(small("const first = ({ first }) => first;"), "const first=({first})=>first;");
    assert_eq!(small("function step(row, by) { return row - by; }"), "function m(a,by){return a-by}");
    assert_eq!(small("list.map(entry => ({ entry: 1, other: entry }));"), "list.map(entry=>({entry:1,other:entry}));");
}

#[test]
fn a_constant_that_is_used_once_stands_where_its_name_stood() {
    assert_eq!(small("const WAIT_MS = 300; const KEY = 'k'; wait(WAIT_MS, store[KEY]);"), "wait(300,store['k']);");
    assert_eq!(small("const MAX = 200; list(MAX); say(`${MAX} rows`);"), "const m=200;list(m);say(`${m} rows`);");
    assert_eq!(small("const MAX = 200 + 1; list(MAX);"), "const m=200+1;list(m);");
}

#[test]
fn declarations_that_follow_each_other_are_one() {
    assert_eq!(
        small("const { a } = b; const c = () => { go(); };\nconst d = [1,\n]; let e = 1; let f;"),
        "const{a}=b;const c=()=>{go()},d=[1,];let e=1,f;"
    );
    assert_eq!(
        small("let a = 1; go(); let b = 2; if (a) { let c = 3; let d = 4; } let e = 5;"),
        "let a=1;go();let b=2;if(a){let c=3,d=4}let e=5;"
    );
    assert_eq!(small("call({ a: 1,\n b: 2,\n});"), "call({a:1,b:2});");
}

#[test]
fn what_no_other_statement_sees_may_have_a_name_that_is_used_again() {
    assert_eq!(
        small("const first = (one, two) => one + two; function second(three) { const four = three; return first(four, one); }"),
        "const m=(a,b)=>a+b;function n(b){const a=b;return m(a,one)}",
    );
}

#[test]
fn texts_stay_as_they_are_and_templates_are_shortened_within() {
    assert_eq!(small("const words = 'a  // b'; say(words);"), "const m='a  // b';say(m);");
    assert_eq!(
        small("const seconds = 3; say(`it is  ${seconds} s, ${ok ? 'a' : `b`} `);"),
        "const m=3;say(`it is  ${m} s, ${ok?'a':`b`} `);"
    );
    assert_eq!(small("const at = text.replace(/\\.$/, '') / 2;"), "const at=text.replace(/\\.$/,'')/2;");
    assert_eq!(small("if (typeof thing === 'x') return new Thing();"), "if(typeof thing==='x')return new Thing();");
}

#[test]
fn no_two_files_use_the_same_name_at_their_top() {
    let mut seen = HashMap::new();
    for module in crate::dashboard::assets::Static::iter().filter(|module| module.ends_with(".js")) {
        let text = crate::dashboard::assets::text(&module).unwrap();
        for line in text.lines() {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let line = line.strip_prefix("async ").unwrap_or(line);
            let declared = ["const ", "let ", "function "].iter().find_map(|word| line.strip_prefix(word));
            let Some(name) = declared.and_then(|rest| rest.split(['(', ' ', '=', ';']).next()) else { continue };
            if let Some(other) = seen.insert(name.to_owned(), module.to_string()) {
                panic!("{name} stands at the top of {other} and {module}");
            }
        }
    }
}

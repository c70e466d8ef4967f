//! Tests of the accounts of a users file: what is refused, with its line, and whose sign-ins a change ends.

use super::*;

fn hash() -> PasswordHash {
    PasswordHash::from_password("right").unwrap()
}

fn user(name: &str, password: &PasswordHash, rest: &str) -> String {
    format!("users:\n  - name: {name}\n    password: {}\n    {rest}\n", password.as_str())
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let good = hash();
    for (text, words) in [
        (user("anna", &good, "role: admin"), ["unknown variant `admin`", "line 4"]),
        (user("anna", &good, "role: viewer\n    namespace: [a]"), ["unknown field `namespace`", "line 5"]),
        (user("anna", &good, "role: viewer\n    namespaces: []"), ["leave it out for all", "users[0]"]),
        (user("'an na'", &good, "role: viewer"), ["is no name", "line 2"]),
        ("users:\n  - name: anna\n    password: secret\n    role: viewer".into(), ["sitio hash-password", "users[0]"]),
        ("tokens:\n  - { name: a, sha256: abc, role: viewer }".into(), ["64 hex digits", "line 2"]),
        ("user: []".into(), ["unknown field `user`", "expected `users` or `tokens`"]),
        ("users: [".into(), ["line", "column"]),
    ] {
        let why = Accounts::from_yaml(&text).unwrap_err();
        assert!(words.iter().all(|word| why.contains(word)), "{text}\n{why}");
        assert!(!why.contains("argon2id$"), "no hash is shown: {why}");
    }
    let twice = user("anna", &good, "role: viewer") + &user("anna", &good, "role: viewer").replace("users:\n", "");
    assert!(Accounts::from_yaml(&twice).unwrap_err().contains("the name anna is there twice"));
}

#[test]
fn a_token_is_found_by_its_hash() {
    let digest = fingerprint("a-token").map(|byte| format!("{byte:02x}")).concat();
    let accounts =
        Accounts::from_yaml(&format!("tokens: [{{ name: ci, sha256: {digest}, role: operator, namespaces: [shop] }}]")).unwrap();
    let principal = accounts.token("a-token").unwrap().principal();
    assert_eq!((&*principal.name, principal.role), ("ci", Role::Operator));
    assert_eq!(principal.namespaces, Namespaces::from_names(["shop".to_owned()]));
    assert!(accounts.token("a-token ").is_none() && accounts.token(&digest).is_none());
}

#[tokio::test]
async fn a_change_ends_the_sign_ins_of_the_accounts_that_it_is_about() {
    let (password, other) = (hash(), hash());
    let of = |texts: &[String]| {
        let users: String = texts.iter().map(|text| text.replace("users:\n", "")).collect();
        Accounts::from_yaml(&format!("users:\n{users}")).unwrap()
    };
    let before = of(&["anna", "ben", "cleo", "dora"].map(|name| user(name, &password, "role: operator")));
    let end = |name: &str| before.user(name).unwrap().account.ends.clone();
    let ends = ["anna", "ben", "cleo", "dora"].map(end);
    let after = of(&[
        user("anna", &password, "role: operator"),
        user("ben", &password, "role: viewer"),
        user("cleo", &other, "role: operator"),
    ])
    .succeed(&before);
    assert_eq!(ends.map(|end| end.is_cancelled()), [false, true, true, true]);
    assert!(Arc::ptr_eq(&after.user("anna").unwrap().account, &before.user("anna").unwrap().account));
}

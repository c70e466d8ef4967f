//! Tests of sessions: their time, their number, their end, and a restart.

use super::*;

fn user(name: &str) -> SessionOwner {
    SessionOwner::User { name: name.into(), credential: fingerprint("a hash") }
}

const BEGAN_S: u64 = 1_000_000;

async fn opened(folder: &Path, owner: SessionOwner) -> (Sessions, String) {
    let sessions = Sessions::in_folder(folder, BEGAN_S);
    let id = sessions.open(owner, BEGAN_S).await;
    (sessions, id)
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_at_the_latest_after_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let (sessions, id) = opened(folder.path(), user("anna")).await;
    assert!(sessions.find(&id, BEGAN_S + IDLE.as_secs() - 1).is_some());
    assert!(sessions.find(&id, BEGAN_S + 2 * IDLE.as_secs() - 2).is_some(), "its use has extended it");
    assert!(sessions.find(&id, BEGAN_S + 3 * IDLE.as_secs() - 2).is_none(), "it was not used for too long");
    let (sessions, id) = opened(folder.path(), user("ben")).await;
    for hour in 1..12 {
        assert!(sessions.find(&id, BEGAN_S + hour * 3600).is_some(), "{hour}");
    }
    assert!(sessions.find(&id, BEGAN_S + SESSION.as_secs()).is_none());
    assert!(sessions.find(&id, BEGAN_S - CLOCK_STEP_S - 1).is_none(), "it was opened by a clock that was ahead");
}

#[tokio::test]
async fn an_open_page_counts_as_use() {
    let folder = tempfile::tempdir().unwrap();
    let (sessions, id) = opened(folder.path(), user("anna")).await;
    let page = sessions.find(&id, BEGAN_S).unwrap();
    sessions.sweep(|_| true, BEGAN_S + IDLE.as_secs() - 1).await;
    drop(page);
    assert!(sessions.find(&id, BEGAN_S + IDLE.as_secs() + 1).is_some());
}

#[tokio::test]
async fn a_session_survives_a_restart_and_its_file_is_private_and_opens_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (_, id) = opened(folder.path(), user("anna")).await;
    let file = folder.path().join(file::SESSIONS_FILE);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&id) && text.contains("anna"), "{text}");

    let again = Sessions::in_folder(folder.path(), BEGAN_S);
    assert_eq!(*again.find(&id, BEGAN_S).unwrap().owner, user("anna"));
    again.end(&id).await;
    assert!(Sessions::in_folder(folder.path(), BEGAN_S).find(&id, BEGAN_S).is_none(), "a sign-out survives a restart");
    std::fs::write(&file, "[{").unwrap();
    assert!(Sessions::in_folder(folder.path(), BEGAN_S).find(&id, BEGAN_S).is_none(), "a damaged file opens nothing");
}

#[tokio::test]
async fn a_user_ends_one_session_or_all_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (sessions, first) = opened(folder.path(), user("anna")).await;
    let (second, third) = (sessions.open(user("anna"), BEGAN_S).await, sessions.open(user("anna"), BEGAN_S).await);
    let other = sessions.open(user("ben"), BEGAN_S).await;
    let page = sessions.find(&first, BEGAN_S).unwrap();
    sessions.end(&first).await;
    assert!(page.ends.is_cancelled() && sessions.find(&first, BEGAN_S).is_none());
    assert_eq!(sessions.count_like(&second), 2);
    assert_eq!(sessions.end_all_like(&second).await, Some(Arc::new(user("anna"))));
    assert!([second, third].iter().all(|id| sessions.find(id, BEGAN_S).is_none()));
    assert!(sessions.find(&other, BEGAN_S).is_some());
    sessions.sweep(|owner| *owner != user("ben"), BEGAN_S).await;
    assert!(sessions.find(&other, BEGAN_S).is_none(), "the user was removed");
}

#[tokio::test]
async fn the_number_is_bounded_for_each_user_and_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let (sessions, first) = opened(folder.path(), user("anna")).await;
    let other = sessions.open(user("ben"), BEGAN_S).await;
    for second in 1..=OF_USER_MAX as u64 {
        sessions.open(user("anna"), BEGAN_S + second).await;
    }
    assert!(sessions.find(&first, BEGAN_S + 99).is_none() && sessions.find(&other, BEGAN_S + 99).is_some());
    let mut open = sessions.lock();
    for number in 0..2 * SESSIONS_MAX as u64 {
        let owner = Arc::new(user(&format!("user-{number}")));
        let session = Session { owner, began_s: BEGAN_S, used_s: BEGAN_S + number, ends: Arc::default() };
        open.insert(fingerprint(&number.to_string()), session);
    }
    assert_eq!(open.by_id.len(), SESSIONS_MAX);
}

#[tokio::test]
async fn nothing_is_written_until_something_has_changed() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(file::SESSIONS_FILE);
    let (sessions, id) = opened(folder.path(), user("anna")).await;
    // Each write makes another file.
    let written = || std::fs::metadata(&file).unwrap().ino();
    let before = (written(), std::fs::File::open(&file).unwrap());

    sessions.sweep(|_| true, BEGAN_S + 2).await;
    let page = sessions.find(&id, BEGAN_S + 3).unwrap();
    sessions.sweep(|_| true, BEGAN_S + 4).await;
    assert_eq!(written(), before.0, "the same minute");

    sessions.sweep(|_| true, BEGAN_S + 60).await;
    assert_ne!(written(), before.0, "an open page was used for a minute more");
    drop(page);
}

#[tokio::test]
async fn sign_ins_that_are_given_up_while_they_are_written_harm_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = Arc::new(Sessions::in_folder(folder.path(), BEGAN_S));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let sessions = Arc::clone(&sessions);
        let task = tasks.spawn(async move { sessions.open(user(&format!("user-{number}")), BEGAN_S).await });
        tokio::task::yield_now().await;
        if number % 2 == 0 {
            task.abort();
        }
    }
    let mut ids = Vec::new();
    while let Some(opened) = tasks.join_next().await {
        ids.extend(opened.ok());
    }

    let again = Sessions::in_folder(folder.path(), BEGAN_S);

    assert!(ids.len() >= 100 && ids.iter().all(|id| again.find(id, BEGAN_S).is_some()), "{} were opened", ids.len());
    assert!(!folder.path().join(file::SESSIONS_FILE).with_extension("new").exists(), "no draft is left");
}

//! Tests that the number of readers is limited, and that the newer of two streams of one pod is asked.

use crate::history::*;

fn workload(pod: &str) -> Workload {
    Workload {
        namespace: "default".into(),
        service: "shop".into(),
        pod: pod.into(),
        pod_uid: pod.into(),
        node: String::new(),
        addresses: vec![],
        version: String::new(),
    }
}

fn request(endpoint: &Endpoint) -> HistoryRequest<'_> {
    HistoryRequest { namespace: "default", service: "shop", endpoint, pod: None, limit: 10 }
}

#[tokio::test]
async fn the_newer_stream_is_asked_and_a_silent_pod_is_named() {
    let (histories, fleet) = (Histories::default(), Fleet::new(Duration::from_secs(60)));
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    let mut old = histories.listen(Arc::new(workload("shop-1")));
    let mut new = histories.listen(Arc::new(workload("shop-1")));
    let _silent = histories.listen(Arc::new(workload("shop-2")));
    let _other = histories.listen(Arc::new(Workload { service: "other".into(), ..workload("other-1") }));

    let want = request(&endpoint);
    let answering = async {
        let ask = new.next().await.unwrap();
        ask.answer.send(vec![Exchange::default()]).unwrap();
    };
    let (gathered, ()) = tokio::join!(histories.gather(&want, &fleet, 0), answering);

    let gathered = gathered.unwrap();
    assert_eq!(
        (gathered.exchanges.len(), gathered.answered, gathered.missing),
        (1, vec!["shop-1".into()], vec!["shop-2".into()])
    );
    assert!(old.requests.try_recv().is_err());
    drop(new);
    assert_eq!(histories.open_streams(&request(&endpoint)).len(), 2, "what is left are the old one and the silent one");
}

#[tokio::test]
async fn readers_beyond_the_limit_are_turned_away_at_once_and_counted() {
    let (histories, fleet) = (Histories::default(), Fleet::new(Duration::from_secs(60)));
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    let names: Vec<_> = (0..READERS_MAX + 4).map(|at| format!("shop-{at}")).collect();
    let _silent: Vec<_> = names.iter().map(|name| histories.listen(Arc::new(workload(name)))).collect();
    let request: Vec<_> = names.iter().map(|name| HistoryRequest { pod: Some(name), ..request(&endpoint) }).collect();

    let readers = futures_util::future::join_all(request.iter().map(|request| histories.gather(request, &fleet, 0))).await;

    assert_eq!(readers.iter().filter(|reader| matches!(reader, Err(Busy))).count(), 4);
    assert_eq!((histories.refused.so_far(), histories.unanswered.so_far()), (4, READERS_MAX as u64));
}

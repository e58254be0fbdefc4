//! Sockets that do what no emulator does: a connection that dies under a request, and what the request looks like.

use crate::scene::{Scene, id, impatient, product, witness};
use sequester::api::ids::InstanceId;
use sequester::cloud::error::ErrorClass;
use sequester::cloud::{AskEvidence, Cloud, Place};
use sequester::playbook::effect::Effect;
use sequester::playbook::record::OperationId;
use sequester::playbook::seen::Read;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const NOTHING: &str = r#"<?xml version="1.0"?><DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<requestId>r</requestId><reservationSet/></DescribeInstancesResponse>"#;
const DONE: &str = r#"<?xml version="1.0"?><ModifyInstanceAttributeResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<requestId>r</requestId><return>true</return></ModifyInstanceAttributeResponse>"#;

/// What a server does with the connection after it has answered a read, or got a change.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Answers,
    /// Keeps the connection after a read, and hangs up on a change without a word.
    HangsUpOnChanges,
    /// Closes the connection as soon as a read is answered, without having said that it would.
    ClosesIdle,
    /// Answers a change with half of what it announced.
    CutsAnswers,
}

/// A request: head and body.
type Heard = Arc<Mutex<Vec<(String, String)>>>;

async fn serve(manner: Manner) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = Heard::default();
    let ear = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, manner, Arc::clone(&ear)));
        }
    });
    (url, heard)
}

async fn connection(stream: TcpStream, manner: Manner, ear: Heard) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_lowercase();
        let length = lower.split_once("content-length: ")?.1.split_once("\r\n")?.0.parse().ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let changes = body.contains("Action=Modify");
        ear.lock().unwrap().push((head, body));
        if changes && manner == Manner::HangsUpOnChanges {
            return None;
        }
        let answer = if changes { DONE } else { NOTHING };
        let cut = if changes && manner == Manner::CutsAnswers { answer.len() / 2 } else { answer.len() };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(format!("{head}{}", &answer[..cut]).as_bytes()).await.ok()?;
        if cut < answer.len() || manner == Manner::ClosesIdle {
            return None;
        }
    }
}

fn changes(heard: &Heard) -> Vec<(String, String)> {
    heard.lock().unwrap().iter().filter(|(_, body)| body.contains("Action=Modify")).cloned().collect()
}

async fn scene(manner: Manner) -> (Scene, Place, Heard) {
    let scene = Scene::with(impatient()).await;
    let (url, heard) = serve(manner).await;
    let mut place = scene.place.clone();
    place.access.endpoint = Some(url);
    (scene, place, heard)
}

async fn read(scene: &Scene, place: &Place) {
    let ask = AskEvidence {
        instance: Some(id::<InstanceId>("i-0123456789abcdef0")),
        adopts: BTreeSet::new(),
        operations: BTreeMap::new(),
        locks: BTreeSet::new(),
        permissions: BTreeSet::new(),
        tiers: BTreeSet::new(),
        public_sharing: false,
        keys: None,
        owed: BTreeSet::new(),
    };
    let seen = scene.aws.observe_evidence(place, &ask).await;
    assert!(matches!(seen.instance, Read::Absent { .. }), "{:?}", seen.instance);
}

async fn change(scene: &Scene, place: &Place) -> Result<(), ErrorClass> {
    let effect = Effect::SetStopProtection { instance: id("i-0123456789abcdef0"), enabled: true };
    let answer = scene.aws.perform(place, &OperationId("op".to_owned()), &effect, &witness()).await;
    answer.map(|_| ()).map_err(|error| error.class)
}

#[tokio::test]
async fn a_change_on_a_connection_that_dies_under_it_is_sent_once() {
    for manner in [Manner::HangsUpOnChanges, Manner::CutsAnswers] {
        let (scene, place, heard) = scene(manner).await;
        for sent in 1..=20 {
            read(&scene, &place).await;
            assert_eq!(change(&scene, &place).await, Err(ErrorClass::Ambiguous), "{manner:?}");
            assert_eq!(changes(&heard).len(), sent, "{manner:?}: never again");
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_loses_no_change_and_doubles_none() {
    let (scene, place, heard) = scene(Manner::ClosesIdle).await;
    let mut done = 0;
    for _ in 0..100 {
        let before = changes(&heard).len();
        read(&scene, &place).await;
        let told = change(&scene, &place).await;
        let arrived = changes(&heard).len() - before;
        match told {
            Ok(()) => {
                assert_eq!(arrived, 1);
                done += 1;
            }
            Err(ErrorClass::Ambiguous) => {
                assert!(arrived <= 1, "{arrived}");
            }
            Err(ErrorClass::Unavailable) => assert_eq!(arrived, 0),
            other => panic!("{other:?}"),
        }
    }
    assert!(done > 0);
}

#[tokio::test]
async fn both_user_agents_carry_the_witness_and_the_one_is_signed() {
    let (scene, place, heard) = scene(Manner::Answers).await;
    read(&scene, &place).await;
    assert_eq!(change(&scene, &place).await, Ok(()));
    let heads: Vec<String> = heard.lock().unwrap().iter().map(|(head, _)| head.clone()).collect();
    let header = |head: &str, name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
        line.map(|line| line[name.len() + 2..].to_owned()).unwrap_or_default()
    };
    let [asked, changed] = heads.as_slice() else { panic!("{heads:?}") };
    for name in ["user-agent", "x-amz-user-agent"] {
        let agent = header(changed, name);
        assert!(agent.ends_with(&format!(" {}", product())), "{name}: {agent}");
        assert!(agent.starts_with("aws-sdk-rust/"), "{name}: {agent}");
        assert!(!header(asked, name).contains("custody/"), "reads are nobody's witness");
    }
    assert!(header(changed, "x-amz-user-agent").contains("app/sequester-1.2.3"));
    let signed = header(changed, "authorization");
    assert!(signed.contains("x-amz-user-agent") && signed.contains("AWS4-HMAC-SHA256"), "{signed}");
}

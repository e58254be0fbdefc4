//! A Quarantine by itself.

use crate::chain::{Chain, assert_witnessed};
use crate::scene::{CLOSED, Scene};
use crate::support::stage::{condition_of, uid};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_isolated_on_every_interface_and_protected() {
    let (scene, _controller) = Scene::held("isolate", "Isolated").await;
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
    let done = scene.get("Quarantine", "web").await;
    assert_eq!(condition_of(&done, "Protected").unwrap()["status"], "True");
    let chain = Chain::read(&scene, &uid(&done)).await;
    chain.assert_sound();
    assert_witnessed(&scene.proxy.calls(), &[chain], None);
}

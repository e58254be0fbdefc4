//! Who wakes whom: what of an object's changes is news to it, and to others.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use kube::runtime::controller::Controller;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Store;
use kube::runtime::{PredicateConfig, WatchStreamExt, predicates, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::kind::Kind;
use super::project::Projected;
use super::run::Options;

/// An API over the one namespace that is named, or over all: with several, objects elsewhere are passed over.
fn scope<K: Kind>(options: &Options, client: &Client) -> Api<K::Object> {
    match options.namespaces.as_slice() {
        [one] => K::api(client.clone(), Some(one)),
        _ => K::api(client.clone(), None),
    }
}

pub(super) fn watched<T>(options: &Options, client: &Client) -> Api<T>
where
    T: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match options.namespaces.as_slice() {
        [one] => Api::namespaced(client.clone(), one),
        _ => Api::all(client.clone()),
    }
}

/// Objects whenever their finalizers change, from the first one on and until the last is gone: all that an account has to know
/// of its users. A turn for anything else would take from what is being done for them.
pub(super) fn marks<T>(api: Api<T>) -> impl Stream<Item = Result<T, watcher::Error>> + Send + 'static
where
    T: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let mut marked = BTreeSet::new();
    watcher(api, watcher::Config::default())
        .default_backoff()
        .touched_objects()
        .predicate_filter(predicates::finalizers, PredicateConfig::default())
        .try_filter(move |object| std::future::ready(tells(&mut marked, object)))
}

/// Whether an object says something of its marks: it has one, or had one. A new one that has none yet says nothing; whoever
/// takes a mark away by hand moves no generation.
fn tells<T: Resource>(marked: &mut BTreeSet<Option<String>>, object: &T) -> bool {
    if object.finalizers().is_empty() {
        return marked.remove(&object.uid()) || object.meta().generation > Some(1);
    }
    marked.insert(object.uid());
    true
}

/// A kind of ours, woken by what others do. What we write into a status is no news to us, and would cost a whole look.
pub(super) fn controller<K: Kind>(
    options: &Options,
    client: &Client,
    projected: &Arc<Projected>,
) -> Controller<K::Object> {
    let (store, writer) = reflector::store();
    let projected = projected.clone();
    let news = move |object: &K::Object| Some(projected.news::<K>(object));
    let changes = watcher(scope::<K>(options, client), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(news, PredicateConfig::default());
    Controller::for_stream(changes, store)
}

/// Objects of a store that answer to something else that changed.
pub(super) fn pick<T>(store: &Store<T>, answers: impl Fn(&T) -> bool) -> Vec<ObjectRef<T>>
where
    T: Resource<DynamicType = ()> + Clone + 'static,
{
    store.state().iter().filter(|object| answers(object)).map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    #[test]
    fn an_object_tells_of_its_marks_until_the_last_is_gone() {
        let object = |uid: &str, generation, marks: &[&str]| {
            let mut object = ConfigMap::default();
            object.metadata.uid = Some(uid.to_owned());
            object.metadata.generation = Some(generation);
            object.metadata.finalizers = Some(marks.iter().map(|mark| (*mark).to_owned()).collect());
            object
        };
        let mut marked = BTreeSet::new();
        for (uid, generation, marks, expected) in [
            ("a", 1, &[][..], false),
            ("a", 1, &["sequester.dev/held"], true),
            ("a", 1, &[], true),
            ("a", 1, &[], false),
            ("b", 1, &[], false),
            ("b", 2, &[], true),
        ] {
            assert_eq!(tells(&mut marked, &object(uid, generation, marks)), expected, "{uid} {generation} {marks:?}");
        }
        assert!(marked.is_empty(), "what has none is not kept");
    }
}

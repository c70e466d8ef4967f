//! Selects the part of the mesh to show: all, a name search, one service with its neighbours, or folded namespaces.

use std::collections::{BTreeMap, BTreeSet};

use crate::dashboard::map::mesh::{MapCaller, MapEdge, MapService, Name, ServiceMap};
use crate::dashboard::query::{DisplayWindow, ViewQuery};
use format::label::service_label;

/// The selection that the map's URL asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct MapView {
    /// The time window.
    pub span: DisplayWindow,
    /// Only services whose lower-case name contains this, and their neighbours.
    pub find: String,
    /// Only this namespace and its neighbours; empty for all.
    pub namespace: String,
    /// Only this service and its neighbours; empty for all.
    pub focus: String,
    /// Whether a box is a service or a namespace.
    pub folding: Folding,
}

/// What a box of the map represents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Folding {
    /// A box per service.
    #[default]
    Services,
    /// A box per namespace, with all of its services.
    Namespaces,
}

impl Folding {
    /// All variants with their URL value and their label.
    pub const EACH: [(Self, &'static str, &'static str); 2] =
        [(Self::Services, "", "A box per service"), (Self::Namespaces, "namespace", "A box per namespace")];
}

impl From<ViewQuery> for MapView {
    fn from(query: ViewQuery) -> Self {
        let folding = Folding::EACH.into_iter().find(|(_, name, _)| *name == query.group).map(|(folding, ..)| folding);
        Self {
            span: query.span(),
            find: query.needle(),
            namespace: query.namespace,
            focus: query.focus,
            folding: folding.unwrap_or_default(),
        }
    }
}

impl MapView {
    /// Whether the selection excludes parts of the mesh.
    pub fn is_part(&self) -> bool {
        !(self.find.is_empty() && self.namespace.is_empty() && self.focus.is_empty())
    }

    /// Applies the selection to a mesh.
    pub fn choose(&self, mesh: ServiceMap) -> ServiceMap {
        let mesh = if self.folding == Folding::Namespaces { folded(mesh) } else { mesh };
        if self.is_part() { self.part(mesh) } else { mesh }
    }

    /// The matching services with their direct callers and callees.
    fn part(&self, mut mesh: ServiceMap) -> ServiceMap {
        let chosen: BTreeSet<Name> = mesh.services.keys().filter(|name| self.matches(name)).cloned().collect();
        mesh.edges
            .retain(|edge| chosen.contains(&edge.to) || matches!(&edge.from, MapCaller::Service(from) if chosen.contains(from)));
        let mut shown = chosen;
        for edge in &mesh.edges {
            shown.insert(edge.to.clone());
            if let MapCaller::Service(from) = &edge.from {
                shown.insert(from.clone());
            }
        }
        mesh.services.retain(|name, _| shown.contains(name));
        mesh
    }

    fn matches(&self, name: &Name) -> bool {
        let label = label(name);
        label.to_lowercase().contains(&self.find)
            && (self.namespace.is_empty() || name.0 == self.namespace)
            && (self.focus.is_empty() || label == self.focus)
    }
}

/// The label of a box: `service` or `namespace/service`, or `namespace/*` for a folded namespace.
pub fn label(name: &Name) -> String {
    let (namespace, service) = name;
    if service.is_empty() { format!("{namespace}/*") } else { service_label(namespace, service) }
}

/// The same mesh with the services of each namespace merged into one.
fn folded(mesh: ServiceMap) -> ServiceMap {
    let fold = |(namespace, _): Name| (namespace, String::new());
    let mut services: BTreeMap<Name, MapService> = BTreeMap::new();
    for (name, service) in mesh.services {
        services.entry(fold(name)).or_default().add(&service);
    }
    let mut edges: BTreeMap<(MapCaller, Name), MapEdge> = BTreeMap::new();
    for edge in mesh.edges {
        let from = match edge.from {
            MapCaller::Service(name) => MapCaller::Service(fold(name)),
            other => other,
        };
        let edge = MapEdge { from, to: fold(edge.to), ..edge };
        edges.entry((edge.from.clone(), edge.to.clone())).and_modify(|sum| sum.add(&edge)).or_insert(edge);
    }
    ServiceMap { services, edges: edges.into_values().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::health::HealthLevel;

    fn name(namespace: &str, service: &str) -> Name {
        (namespace.into(), service.into())
    }

    fn mesh() -> ServiceMap {
        let edge = |from: MapCaller, to: Name, level| MapEdge { from, to, rps: 2.0, failures_per_s: 1.0, level, off: 1 };
        let web = name("default", "web");
        let edges = vec![
            edge(MapCaller::Outside, web.clone(), HealthLevel::Calm),
            edge(MapCaller::Service(web.clone()), name("shop", "cart"), HealthLevel::Red),
            edge(MapCaller::Service(web.clone()), name("shop", "orders"), HealthLevel::Calm),
            edge(MapCaller::Service(name("shop", "orders")), name("shop", "stock"), HealthLevel::Calm),
        ];
        let names = [web, name("shop", "cart"), name("shop", "orders"), name("shop", "stock"), name("lab", "alone")];
        let service = MapService { rps: 2.0, failing_ratio: 0.5, endpoints: 3, off: 1, ..MapService::default() };
        ServiceMap { services: names.map(|name| (name, service.clone())).into(), edges }
    }

    fn shown(view: &MapView) -> Vec<String> {
        view.choose(mesh()).services.keys().map(label).collect()
    }

    #[test]
    fn a_service_is_shown_with_its_neighbours_and_nothing_else() {
        let view = MapView { focus: "shop/orders".into(), ..MapView::default() };
        assert_eq!(shown(&view), ["web", "shop/orders", "shop/stock"]);
        assert_eq!(view.choose(mesh()).edges.len(), 2);
        assert_eq!(shown(&MapView { find: "stoc".into(), ..MapView::default() }), ["shop/orders", "shop/stock"]);
        assert_eq!(shown(&MapView { namespace: "lab".into(), ..MapView::default() }), ["lab/alone"]);
        assert_eq!(shown(&MapView { find: "nothing".into(), ..MapView::default() }), Vec::<String>::new());
        assert_eq!(shown(&MapView::default()).len(), 5);
    }

    #[test]
    fn a_folded_namespace_adds_up_its_services_and_is_as_bad_as_its_worst() {
        let folded = MapView { folding: Folding::Namespaces, ..MapView::default() }.choose(mesh());
        assert_eq!(folded.services.keys().map(label).collect::<Vec<_>>(), ["default/*", "lab/*", "shop/*"]);
        let shop = &folded.services[&name("shop", "")];
        assert_eq!((shop.rps, shop.endpoints, shop.off), (6.0, 9, 3));
        assert!((shop.failing_ratio - 0.5).abs() < 1e-9);
        let into_shop = folded.edges.iter().find(|edge| edge.from == MapCaller::Service(name("default", ""))).unwrap();
        assert_eq!((into_shop.rps, into_shop.failures_per_s, into_shop.level, into_shop.off), (4.0, 2.0, HealthLevel::Red, 2));
        assert_eq!(folded.edges.len(), 3, "calls within a namespace are an edge of their own");
    }
}

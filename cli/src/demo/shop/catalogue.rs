//! The product catalogue of the sample shop.

use std::fmt::Write;

use serde::Serialize;

/// The number of products; their ids are 1 to this number.
pub(crate) const PRODUCTS: u64 = 480;

const MATERIALS: [&str; 8] = ["Oak", "Linen", "Brass", "Wool", "Slate", "Cork", "Copper", "Walnut"];
const LOOKS: [&str; 6] = ["Plain", "Round", "Tall", "Folding", "Striped", "Small"];
const THINGS: [&str; 10] = ["Chair", "Lamp", "Bowl", "Blanket", "Clock", "Shelf", "Teapot", "Mirror", "Basket", "Desk"];

/// One product.
#[derive(Debug, Serialize)]
pub(super) struct Product {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) price_cents: u64,
    pub(super) in_stock: u64,
}

/// All products, by id.
#[derive(Debug)]
pub(super) struct Catalogue {
    products: Vec<Product>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self { products: (1..=PRODUCTS).map(product).collect() }
    }
}

fn product(id: u64) -> Product {
    let at = id as usize - 1;
    let (look, material, thing) = (LOOKS[at / 80], MATERIALS[at / 10 % 8], THINGS[at % 10]);
    // Spread out but not random: every start of the demo has the same products.
    Product { id, name: format!("{look} {material} {thing}"), price_cents: 900 + id * 7919 % 24_000, in_stock: id * 31 % 57 }
}

impl Catalogue {
    /// The product with that id.
    pub(super) fn product(&self, id: u64) -> Option<&Product> {
        self.products.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// All products.
    pub(super) fn products(&self) -> &[Product] {
        &self.products
    }

    /// The products whose names contain all words of the query, ignoring case.
    pub(super) fn find<'a>(&'a self, query: &'a str) -> impl Iterator<Item = &'a Product> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let holds = move |product: &&Product| {
            let name = product.name.to_lowercase();
            words.iter().all(|word| name.contains(word))
        };
        self.products.iter().filter(holds)
    }

    /// The whole catalogue as comma-separated values.
    pub(super) fn to_csv(&self) -> String {
        let mut csv = String::from("id,name,price_cents,in_stock\n");
        for product in &self.products {
            let Product { id, name, price_cents, in_stock } = product;
            writeln!(csv, "{id},{name},{price_cents},{in_stock}").expect("a String takes any text");
        }
        csv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_from_one() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.product(1).unwrap().name, "Plain Oak Chair");
        assert_eq!(catalogue.product(PRODUCTS).unwrap().id, PRODUCTS);
        assert!(catalogue.product(0).is_none());
        assert!(catalogue.product(PRODUCTS + 1).is_none());
    }

    #[test]
    fn a_product_is_found_by_any_of_its_words() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.find("oak CHAIR").count(), 6);
        assert_eq!(catalogue.find("").count(), PRODUCTS as usize);
        assert_eq!(catalogue.find("unicorn").count(), 0);
    }
}

//! The flags that choose which requests a rule applies to.

use decorators::selection::Mode;

/// Which requests a rule applies to.
#[derive(Debug, clap::Args)]
pub(crate) struct SelectionOptions {
    /// Only for so many requests of a hundred, by chance.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) percent: u8,
    /// Only for callers in these networks, with commas between, such as 10.0.0.0/8 [default: all].
    #[arg(long, value_name = "NET,…", value_delimiter = ',')]
    pub(crate) callers: Vec<ipnet::IpNet>,
    /// Let all requests pass, and count those on which it would act.
    #[arg(long)]
    shadow: bool,
}

impl SelectionOptions {
    /// Whether the rule acts.
    pub(crate) fn mode(&self) -> Mode {
        if self.shadow { Mode::Shadow } else { Mode::Enforce }
    }
}

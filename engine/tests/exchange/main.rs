//! What the exchange promises, told as a trader's table: see `table` for the language.

#[cfg(test)]
mod flows;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod mass;
#[cfg(test)]
mod money;
#[cfg(test)]
mod names;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod replaces;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod table;
#[cfg(test)]
mod twin;

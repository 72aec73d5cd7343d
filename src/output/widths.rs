//! How wide the columns of a table are.

/// What a column would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wish {
    /// Width of its name.
    pub(super) name: usize,
    /// Width of its widest value.
    pub(super) values: usize,
    /// Whether it holds numbers, which are not to be broken over lines.
    pub(super) number: bool,
}

/// Below this a column of text is a ladder of syllables: a table that would need it is shown as records.
const READABLE: usize = 8;

/// The longest 64-bit integers and most floats fit.
const LONGEST_NUMBER: usize = 24;

/// A border and a space on either side of each value, and one more border.
pub(super) fn borders(columns: usize) -> usize {
    3 * columns + 1
}

/// A width for each column, so that a table is at most `width` wide: what each would like where that fits, else the
/// widest columns are cut back to one common width. `None` when the columns would become too narrow to read.
pub(super) fn fit(wishes: &[Wish], width: Option<usize>) -> Option<Vec<usize>> {
    let full: Vec<usize> = wishes.iter().map(|wish| wish.name.max(wish.values)).collect();
    let Some(width) = width else { return Some(full) };
    let room = width.saturating_sub(borders(wishes.len()));
    if full.iter().sum::<usize>() <= room {
        return Some(full);
    }
    let least: Vec<usize> = wishes.iter().zip(&full).map(|(wish, full)| least(wish).min(*full)).collect();
    if borders(wishes.len()) + least.iter().sum::<usize>() > width {
        return None;
    }
    let at = |cap: usize| full.iter().zip(&least).map(move |(full, least)| cap.clamp(*least, (*full).max(*least)));
    // The sum grows with the cap and is more than `room` at the widest wish, so that there is a last cap that fits.
    let mut cap = 0;
    while at(cap + 1).sum::<usize>() <= room {
        cap += 1;
    }
    let mut widths: Vec<usize> = at(cap).collect();
    let mut left = room - widths.iter().sum::<usize>();
    for (width, full) in widths.iter_mut().zip(&full) {
        if left > 0 && *width < *full && *width == cap {
            *width += 1;
            left -= 1;
        }
    }
    Some(widths)
}

fn least(wish: &Wish) -> usize {
    if wish.number { wish.values.min(LONGEST_NUMBER).max(wish.name.min(READABLE)) } else { READABLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(values: usize) -> Wish {
        Wish { name: 4, values, number: false }
    }

    fn number(values: usize) -> Wish {
        Wish { name: 4, values, number: true }
    }

    #[test]
    fn the_widest_columns_give_way() {
        type Case<'a> = (&'a [Wish], Option<usize>, Option<&'a [usize]>);
        let cases: [Case<'_>; 7] = [
            (&[text(200), text(3)], None, Some(&[200, 4])),
            (&[text(10), text(3)], Some(80), Some(&[10, 4])),
            (&[text(200), text(3)], Some(40), Some(&[29, 4])),
            (&[text(200), text(300), text(12)], Some(61), Some(&[20, 19, 12])),
            (&[text(200), number(19)], Some(40), Some(&[14, 19])),
            (&[text(200), number(19)], Some(30), None),
            (&[text(20); 24], Some(80), None),
        ];
        for (wishes, width, widths) in cases {
            assert_eq!(fit(wishes, width).as_deref(), widths, "{wishes:?} in {width:?}");
        }
    }

    #[test]
    fn a_fitted_table_fills_the_width_and_no_more() {
        let wishes = [text(50), text(9), number(12), text(31), text(1)];
        for width in 40..140 {
            if let Some(widths) = fit(&wishes, Some(width)) {
                let total = borders(wishes.len()) + widths.iter().sum::<usize>();
                let natural = borders(wishes.len()) + 50 + 9 + 12 + 31 + 4;
                assert_eq!(total, width.min(natural), "{width}: {widths:?}");
            }
        }
        assert_eq!(fit(&[], Some(10)), Some(vec![]));
    }
}

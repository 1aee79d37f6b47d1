//! What `image` refuses, and what it makes of the smallest pictures. Its numbers are compared with NumPy
//! elsewhere.

use wasinn::image::{
    chw_to_hwc, grey, hwc_to_chw, normalise_chw, normalise_hwc, resize_area, resize_bilinear, resize_nearest,
    swap_rgb_bgr, u8_to_f16, u8_to_f32, u8_to_i8, Image, ImageMut, MAX_EXTENT,
};
use wasinn::{Error, F16};

#[test]
fn an_empty_picture_is_none() {
    for (width, height) in [(0, 1), (1, 0), (0, 0), (MAX_EXTENT + 1, 1), (1, usize::MAX)] {
        assert!(matches!(Image::<u8>::new(width, height, 1, &[]), Err(Error::Extent)));
        assert!(matches!(ImageMut::<u8>::new(width, height, 1, &mut []), Err(Error::Extent)));
    }
    assert!(matches!(Image::<u8>::new(1, 1, 0, &[]), Err(Error::Channels { expected: 1, found: 0 })));
}

#[test]
fn the_length_must_be_that_of_the_picture() {
    assert!(matches!(Image::new(2, 3, 4, &[0_u8; 23]), Err(Error::Shape { expected: Some(24), found: 23 })));
    let most = Image::new(MAX_EXTENT, MAX_EXTENT, usize::MAX, &[0_u8]);
    assert!(matches!(most, Err(Error::Shape { expected: None, found: 1 })));
    assert!(matches!(Image::new(1, 1, usize::MAX, &[0_u8]), Err(Error::Shape { found: 1, .. })));
}

#[test]
fn a_region_is_inside_or_refused() {
    let samples: Vec<u8> = (0..24).collect();
    let image = Image::new(4, 3, 2, &samples).unwrap();
    for (left, top, width, height) in [
        (0, 0, 5, 1),
        (0, 0, 1, 4),
        (4, 0, 1, 1),
        (0, 3, 1, 1),
        (0, 0, 0, 1),
        (1, 1, 1, 0),
        (1, 0, usize::MAX, 1),
    ] {
        assert!(matches!(image.crop(left, top, width, height), Err(Error::Extent)));
    }
    let part = image.crop(1, 1, 3, 2).unwrap().crop(1, 1, 2, 1).unwrap();
    assert_eq!((part.width(), part.height(), part.channels()), (2, 1, 2));
    assert_eq!(part.rows().collect::<Vec<_>>(), [&[20, 21, 22, 23]]);
    assert!(part.crop(0, 0, 3, 1).is_err());
}

#[test]
fn what_is_outside_a_region_is_not_written() {
    let mut samples = [0_u8; 16];
    let mut image = ImageMut::new(4, 4, 1, &mut samples).unwrap();
    let middle = image.crop(1, 1, 2, 2).unwrap();
    resize_nearest(Image::new(1, 1, 1, &[7]).unwrap(), middle).unwrap();
    assert_eq!(samples, [0, 0, 0, 0, 0, 7, 7, 0, 0, 7, 7, 0, 0, 0, 0, 0]);
}

#[test]
fn one_pixel_fills_any_picture_and_any_picture_shrinks_to_its_mean() {
    let resizes = [resize_nearest::<u8>, resize_bilinear::<u8>, resize_area::<u8>];
    for resize in resizes {
        let mut large = [0_u8; 5 * 3 * 2];
        resize(Image::new(1, 1, 2, &[3, 250]).unwrap(), ImageMut::new(5, 3, 2, &mut large).unwrap()).unwrap();
        assert!(large.chunks_exact(2).all(|pixel| pixel == [3, 250]));
    }
    let mut one = [0_u8];
    let samples = [0, 255, 255, 255, 0, 0];
    resize_area(Image::new(3, 2, 1, &samples).unwrap(), ImageMut::new(1, 1, 1, &mut one).unwrap()).unwrap();
    assert_eq!(one, [128]); // 127.5, halves up
}

#[test]
fn nothing_reads_or_writes_over_the_edge_of_the_largest_extent() {
    let wide = vec![200_u8; MAX_EXTENT];
    let mut small = [0_u8; 3];
    for resize in [resize_nearest::<u8>, resize_bilinear::<u8>, resize_area::<u8>] {
        let dst = ImageMut::new(3, 1, 1, &mut small).unwrap();
        resize(Image::new(MAX_EXTENT, 1, 1, &wide).unwrap(), dst).unwrap();
        assert_eq!(small, [200; 3]);
    }
}

#[test]
fn channels_must_agree() {
    let (three, mut four) = ([0_u8; 3], [0_u8; 4]);
    let src = Image::new(1, 1, 3, &three).unwrap();
    for resize in [resize_nearest::<u8>, resize_bilinear::<u8>, resize_area::<u8>] {
        let wrong = resize(src, ImageMut::new(1, 1, 4, &mut four).unwrap());
        assert!(matches!(wrong, Err(Error::Channels { expected: 3, found: 4 })));
    }
    let mut to = ImageMut::new(2, 1, 2, &mut four).unwrap();
    assert!(matches!(to.copy_from(src), Err(Error::Extent)));
    assert!(matches!(swap_rgb_bgr(&mut to), Err(Error::Channels { expected: 3, found: 2 })));
    assert!(matches!(grey(src, to), Err(Error::Channels { expected: 1, found: 2 })));
    let two = Image::new(1, 1, 2, &three[..2]).unwrap();
    let mut grey_to = [0];
    let wrong = grey(two, ImageMut::new(1, 1, 1, &mut grey_to).unwrap());
    assert!(matches!(wrong, Err(Error::Channels { expected: 3, found: 2 })));
    let wrong = grey(src, ImageMut::new(2, 1, 1, &mut four[..2]).unwrap());
    assert!(matches!(wrong, Err(Error::Extent)));
}

#[test]
fn lengths_must_agree() {
    let src = Image::new(1, 2, 3, &[0_u8; 6]).unwrap();
    assert!(matches!(hwc_to_chw(src, &mut [0; 5]), Err(Error::Shape { expected: Some(6), found: 5 })));
    let mut to = [0_u8; 6];
    assert!(chw_to_hwc(&[0; 7], ImageMut::new(1, 2, 3, &mut to).unwrap()).is_err());
    let mut floats = [0.0_f32; 6];
    assert!(normalise_hwc(src, &[0.0; 3], &[1.0; 3], &mut floats[..5]).is_err());
    assert!(normalise_chw(src, &[0.0; 3], &[1.0; 3], &mut floats[..5]).is_err());
    for (mean, std) in [(2, 3), (3, 2), (4, 3), (0, 3)] {
        let wrong = normalise_hwc(src, &[0.0; 4][..mean], &[1.0; 4][..std], &mut floats);
        assert!(matches!(wrong, Err(Error::Channels { expected: 3, .. })));
    }
    assert!(u8_to_f32(&[1, 2], &mut [0.0]).is_err());
    assert!(u8_to_f16(&[1], &mut []).is_err());
    assert!(u8_to_i8(&[], &mut [0]).is_err());
}

#[test]
fn every_byte_converts() {
    let bytes: Vec<u8> = (0..=255).collect();
    let (mut f32s, mut f16s, mut i8s) = ([0.0_f32; 256], [F16::NAN; 256], [0_i8; 256]);
    u8_to_f32(&bytes, &mut f32s).unwrap();
    u8_to_f16(&bytes, &mut f16s).unwrap();
    u8_to_i8(&bytes, &mut i8s).unwrap();
    for (byte, ((float, half), signed)) in (0_i16..).zip(f32s.into_iter().zip(f16s).zip(i8s)) {
        assert_eq!((float, half.to_f32(), i16::from(signed)), (byte.into(), byte.into(), byte - 128));
    }
}

#[test]
fn a_deviation_of_zero_and_a_nan_give_what_ieee_says() {
    let src = Image::new(3, 1, 1, &[0_u8, 1, 2]).unwrap();
    let mut to = [0.0_f32; 3];
    normalise_hwc(src, &[1.0], &[0.0], &mut to).unwrap();
    assert!(to[0] == f32::NEG_INFINITY && to[1].is_nan() && to[2] == f32::INFINITY);
    let src = [f32::NAN, 1.0, 2.0];
    resize_bilinear(Image::new(3, 1, 1, &src).unwrap(), ImageMut::new(3, 1, 1, &mut to).unwrap()).unwrap();
    assert!(to[0].is_nan() && to[1..] == src[1..]);
}

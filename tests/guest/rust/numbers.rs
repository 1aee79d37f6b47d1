//! Runs one function of `image` or `math`: `numbers FUNCTION ARGUMENT...`, data on stdin, result on stdout.

use std::error::Error;
use std::io::{Read, Write};
use wasinn::image::{self, Image, ImageMut};
use wasinn::math::{self, Rect, Score};
use wasinn::F16;

type Done = Result<Vec<u8>, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut data = Vec::new();
    std::io::stdin().read_to_end(&mut data)?;
    let (function, numbers) = arguments.split_first().ok_or("usage: numbers FUNCTION ARGUMENT...")?;
    let numbers: Vec<f64> = numbers.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let result = match function.split_once('_') {
        Some(("image", name)) => on_image(name, &numbers, &data)?,
        Some(("math", name)) => on_numbers(name, &numbers, &data)?,
        _ => return Err("no such module".into()),
    };
    std::io::stdout().write_all(&result)?;
    Ok(())
}

/// The numbers: width, height, channels, width and height of the result, then what the function takes.
fn on_image(name: &str, numbers: &[f64], data: &[u8]) -> Done {
    let size: Vec<usize> = numbers[..5].iter().map(|&number| number as usize).collect();
    let [width, height, channels, to_width, to_height] = size[..] else { unreachable!() };
    let rest: Vec<f32> = numbers[5..].iter().map(|&number| number as f32).collect();
    let floats = floats(data);
    let to_len = to_width * to_height * channels;
    let (mut to_u8, mut to_f32) = (vec![0_u8; to_len], vec![0.0_f32; to_len]);
    let mut to_f16 = vec![F16::default(); to_len];
    match name {
        "u8_to_f32" => {
            image::u8_to_f32(data, &mut to_f32)?;
            return Ok(bytes(&to_f32));
        }
        "u8_to_f16" => {
            image::u8_to_f16(data, &mut to_f16)?;
            return Ok(halves(&to_f16));
        }
        "u8_to_i8" => {
            let mut to_i8 = vec![0_i8; to_len];
            image::u8_to_i8(data, &mut to_i8)?;
            return Ok(to_i8.iter().map(|&sample| sample as u8).collect());
        }
        _ => (),
    }
    if let Some(filter) = name.strip_suffix("_f32") {
        let src = Image::new(width, height, channels, &floats)?;
        let dst = ImageMut::new(to_width, to_height, channels, &mut to_f32)?;
        match filter {
            "nearest" => image::resize_nearest(src, dst)?,
            "bilinear" => image::resize_bilinear(src, dst)?,
            "area" => image::resize_area(src, dst)?,
            "hwc_to_chw" => image::hwc_to_chw(src, &mut to_f32)?,
            "chw_to_hwc" => image::chw_to_hwc(&floats, dst)?,
            "swap_rgb_bgr" => {
                let mut dst = dst;
                dst.copy_from(src)?;
                image::swap_rgb_bgr(&mut dst)?;
            }
            "normalise_hwc" | "normalise_chw" => {
                let (mean, std) = rest.split_at(channels);
                if filter == "normalise_hwc" {
                    image::normalise_hwc(src, mean, std, &mut to_f32)?;
                } else {
                    image::normalise_chw(src, mean, std, &mut to_f32)?;
                }
            }
            "normalise_hwc_f16" | "normalise_chw_f16" => {
                let (mean, std) = rest.split_at(channels);
                if filter == "normalise_hwc_f16" {
                    image::normalise_hwc(src, mean, std, &mut to_f16)?;
                } else {
                    image::normalise_chw(src, mean, std, &mut to_f16)?;
                }
                return Ok(halves(&to_f16));
            }
            _ => return Err("no such function".into()),
        }
        return Ok(bytes(&to_f32));
    }
    if name == "chw_to_hwc" {
        image::chw_to_hwc(data, ImageMut::new(to_width, to_height, channels, &mut to_u8)?)?;
        return Ok(to_u8);
    }
    let src = Image::new(width, height, channels, data)?;
    let mut dst = ImageMut::new(to_width, to_height, channels, &mut to_u8)?;
    match name {
        "nearest" => image::resize_nearest(src, dst)?,
        "bilinear" => image::resize_bilinear(src, dst)?,
        "area" => image::resize_area(src, dst)?,
        "crop" => dst.copy_from(src.crop(rest[0] as usize, rest[1] as usize, to_width, to_height)?)?,
        // Into the middle of a larger picture, from the middle of the other.
        "inset" => {
            let src = src.crop(1, 1, width - 2, height - 2)?;
            image::resize_bilinear(src, dst.crop(1, 1, to_width - 2, to_height - 2)?)?;
        }
        "hwc_to_chw" => image::hwc_to_chw(src, &mut to_u8)?,
        "swap_rgb_bgr" => {
            dst.copy_from(src)?;
            image::swap_rgb_bgr(&mut dst)?;
        }
        "grey" => {
            to_u8.truncate(to_width * to_height);
            image::grey(src, ImageMut::new(to_width, to_height, 1, &mut to_u8)?)?;
        }
        "normalise_hwc" | "normalise_chw" | "normalise_hwc_f16" | "normalise_chw_f16" => {
            let (mean, std) = rest.split_at(channels);
            match name {
                "normalise_hwc" => image::normalise_hwc(src, mean, std, &mut to_f32)?,
                "normalise_chw" => image::normalise_chw(src, mean, std, &mut to_f32)?,
                "normalise_hwc_f16" => image::normalise_hwc(src, mean, std, &mut to_f16)?,
                _ => image::normalise_chw(src, mean, std, &mut to_f16)?,
            }
            if name.ends_with("_f16") {
                return Ok(halves(&to_f16));
            }
            return Ok(bytes(&to_f32));
        }
        _ => return Err("no such function".into()),
    }
    Ok(to_u8)
}

fn on_numbers(name: &str, numbers: &[f64], data: &[u8]) -> Done {
    let mut values = floats(data);
    match name {
        "softmax" => math::softmax(&mut values),
        "sigmoid" => math::sigmoid(&mut values),
        "argmax" => {
            let best = math::argmax(&values).ok_or("no scores")?;
            return Ok((best as u32).to_le_bytes().into());
        }
        "top_k" => {
            let mut best = vec![Score::default(); numbers[0] as usize];
            let found = math::top_k(&values, &mut best);
            return Ok(found.iter().flat_map(|best| (best.index as u32).to_le_bytes()).collect());
        }
        "nms" => {
            let limits: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
            let (boxes, scores) = values.split_at(values.len() / 5 * 4);
            let boxes: Vec<Rect> = boxes
                .chunks_exact(4)
                .map(|corner| Rect { x0: corner[0], y0: corner[1], x1: corner[2], y1: corner[3] })
                .collect();
            let mut kept = vec![0; numbers[2] as usize];
            let kept = math::nms(&boxes, scores, limits[0], limits[1], &mut kept)?;
            return Ok(kept.iter().flat_map(|&index| (index as u32).to_le_bytes()).collect());
        }
        "dequantise_i32" => {
            let wide: Vec<i32> = values.iter().map(|value| value.to_bits() as i32).collect();
            math::dequantise(&wide, numbers[0] as f32, numbers[1] as i32, &mut values)?;
        }
        "dequantise_u8" | "dequantise_i8" => {
            values = vec![0.0; data.len()];
            let (scale, zero) = (numbers[0] as f32, numbers[1] as i32);
            if name == "dequantise_u8" {
                math::dequantise(data, scale, zero, &mut values)?;
            } else {
                let signed: Vec<i8> = data.iter().map(|&byte| byte as i8).collect();
                math::dequantise(&signed, scale, zero, &mut values)?;
            }
        }
        "f32_to_f16" => {
            let mut halves = vec![F16::default(); values.len()];
            math::f32_to_f16(&values, &mut halves)?;
            return Ok(self::halves(&halves));
        }
        "f16_to_f32" => {
            let halves: Vec<F16> = data
                .chunks_exact(2)
                .map(|pair| F16::from_bits(u16::from_le_bytes([pair[0], pair[1]])))
                .collect();
            values = vec![0.0; halves.len()];
            math::f16_to_f32(&halves, &mut values)?;
        }
        _ => return Err("no such function".into()),
    }
    Ok(bytes(&values))
}

fn floats(data: &[u8]) -> Vec<f32> {
    data.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn halves(values: &[F16]) -> Vec<u8> {
    values.iter().flat_map(|half| half.to_bits().to_le_bytes()).collect()
}

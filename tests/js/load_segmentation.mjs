// Loads a DICOM Segmentation onto its source images with @cornerstonejs/adapters, the loader of OHIF and its kin.
//
// Usage: node load_segmentation.mjs images.json segmentation.dcm labels.bin
// images.json lists the source frames in order; labels.bin gets one byte a pixel, frame after frame.
// Standard output: JSON with what the loader says of the segments.
import { readFileSync, writeFileSync } from 'node:fs';
import { adaptersSEG } from '@cornerstonejs/adapters';
import { metaData } from '@cornerstonejs/core';

const [imagesPath, segmentationPath, labelsPath] = process.argv.slice(2);
const images = JSON.parse(readFileSync(imagesPath, 'utf8'));
const byId = new Map(images.map((image) => [image.imageId, image]));

const modules = {
  generalImageModule: (image) => ({ sopInstanceUID: image.sopInstanceUid }),
  generalSeriesModule: (image) => ({ seriesInstanceUID: image.seriesUid }),
  instance: (image) => ({ Rows: image.rows, Columns: image.columns, SOPInstanceUID: image.sopInstanceUid }),
  imagePixelModule: () => ({ bitsAllocated: 16, bitsStored: 16, samplesPerPixel: 1, pixelRepresentation: 0 }),
  imagePlaneModule: (image) => ({
    rows: image.rows,
    columns: image.columns,
    rowCosines: image.rowCosines,
    columnCosines: image.columnCosines,
    imageOrientationPatient: [...image.rowCosines, ...image.columnCosines],
    imagePositionPatient: image.position,
    rowPixelSpacing: image.spacing[0],
    columnPixelSpacing: image.spacing[1],
    frameOfReferenceUID: image.frameOfReferenceUid,
  }),
};
const provider = (type, imageId) => (byId.has(imageId) ? modules[type]?.(byId.get(imageId)) : undefined);
metaData.addProvider(provider, 1000);

const file = readFileSync(segmentationPath);
const loaded = await adaptersSEG.Cornerstone3D.Segmentation.createFromDICOMSegBuffer(
  images.map((image) => image.imageId),
  file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength),
  { metadataProvider: metaData }
);

const [labelmaps] = loaded.labelMapImages;
writeFileSync(labelsPath, Buffer.concat(labelmaps.map((labelmap) => Buffer.from(labelmap.getPixelData()))));
process.stdout.write(
  JSON.stringify({
    overlapping: loaded.overlappingSegments,
    segments: loaded.segMetadata.data.filter(Boolean).map((segment) => segment.SegmentLabel),
  })
);

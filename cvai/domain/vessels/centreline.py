"""The centreline of a tree of vessels: from a mask to smooth paths, the longest first.

The skeleton of the mask is a graph of pixels. Its spanning tree is cut into paths: each path follows the
longest way downstream, so that it runs through bifurcations, and every side branch is a path that starts on
another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

Points = NDArray[np.float64]

SHORTEST_PX = 12.0
"""Shorter branches of the skeleton come from the roughness of a mask's edge."""

_SMOOTHING_PX = 3.0
"""Standard deviation along the path; a skeleton goes in steps of 45 degrees."""

_SEPARATION = 1.5
"""Radii of a side branch from its origin within which an edge of its parent cannot be seen."""


@dataclass(frozen=True, slots=True, eq=False)
class VesselPath:
    """A smooth line in the middle of a vessel.

    Args:
        points: (n, 2) as (y, x) in pixels, one pixel apart, from the trunk to the periphery.
        radius_px: (n,) distance to the edge of the mask.
        at_branch: (n,) where the edge of another vessel interferes: at bifurcations and crossings.

    Raises:
        ValueError: the lengths differ, or there are fewer than two points.
    """

    points: Points
    radius_px: NDArray[np.float64]
    at_branch: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.points)
        if (
            self.points.shape != (n, 2)
            or n < 2
            or self.radius_px.shape != (n,)
            or self.at_branch.shape != (n,)
        ):
            raise ValueError(f"points {self.points.shape}, {self.radius_px.shape} radii")
        for array in (self.points, self.radius_px, self.at_branch):
            array.setflags(write=False)

    @property
    def length_px(self) -> float:
        """Along the line."""
        return float(len(self.points) - 1)

    @property
    def normals(self) -> Points:
        """(n, 2) unit vectors across the line."""
        along = np.gradient(ndimage.gaussian_filter1d(self.points, 2.0, axis=0, mode="nearest"), axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        return np.stack([-along[:, 1], along[:, 0]], axis=1)


def vessel_paths(mask: NDArray[np.bool_]) -> tuple[VesselPath, ...]:
    """Paths of every vessel of a mask, longest first; empty where nothing is long enough.

    Args:
        mask: (y, x) where there is a vessel.
    """
    skeleton = skeletonize(mask)
    pixels = np.argwhere(skeleton)
    if len(pixels) < 2:
        return ()
    distances = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    radii = distances[skeleton]
    courses = [course for tree in _trees(pixels, radii) for course in tree]
    smooth = [_smooth(pixels[course].astype(np.float64)) for course in courses]
    order = sorted(range(len(smooth)), key=lambda i: -len(smooth[i]))
    lines = [smooth[i] for i in order]
    widths = [ndimage.map_coordinates(distances, line.T, order=1) for line in lines]
    starts = [pixels[courses[i][0]] for i in order]
    return tuple(
        VesselPath(line, width, _near_others(i, lines, widths, starts))
        for i, (line, width) in enumerate(zip(lines, widths, strict=True))
    )


def _trees(pixels: NDArray[np.intp], radii: NDArray[np.float64]) -> list[list[list[int]]]:
    """Courses, as indices of pixels, of each connected part of a skeleton."""
    pairs = cKDTree(pixels).query_pairs(1.5, output_type="ndarray")
    if not len(pairs):
        return []
    steps = np.linalg.norm(pixels[pairs[:, 0]] - pixels[pairs[:, 1]], axis=1)
    graph = coo_array((steps, (pairs[:, 0], pairs[:, 1])), shape=(len(pixels), len(pixels)))
    tree = csr_array(minimum_spanning_tree(graph))
    n_parts, part_of = connected_components(tree, directed=False)
    degree = np.bincount(np.concatenate(tree.nonzero()), minlength=len(pixels))
    courses = []
    for part in range(n_parts):
        members = np.flatnonzero(part_of == part)
        ends = members[degree[members] == 1]
        if len(ends) < 2:
            continue
        root = _thickest_end(tree, ends, radii)
        courses.append(_courses(tree, root, radii))
    return courses


def _thickest_end(tree: csr_array, ends: NDArray[np.intp], radii: NDArray[np.float64]) -> int:
    """The end of the skeleton whose surroundings are widest: the trunk."""
    distances = dijkstra(tree, directed=False, indices=ends, limit=2 * SHORTEST_PX)
    widths = [float(radii[np.isfinite(row)].mean()) for row in distances]
    return int(ends[int(np.argmax(widths))])


def _courses(tree: csr_array, root: int, radii: NDArray[np.float64]) -> list[list[int]]:
    """Paths from the trunk to the periphery; a side branch begins with the pixel that it leaves from."""
    distance, parent, _ = dijkstra(
        tree, directed=False, indices=np.array([root]), return_predecessors=True, min_only=True
    )
    outwards = [int(v) for v in np.argsort(distance) if np.isfinite(distance[v])]
    reach = np.zeros(len(distance))  # longest way downstream
    heir = np.full(len(distance), -1)
    for v in reversed(outwards[1:]):
        up = parent[v]
        if heir[up] < 0 or reach[v] + distance[v] - distance[up] > reach[up]:
            reach[up], heir[up] = reach[v] + distance[v] - distance[up], v
    courses = []
    for v in outwards:
        is_source = v == root
        if not is_source and heir[parent[v]] == v:
            continue
        course = [v] if is_source else [int(parent[v]), v]
        while heir[course[-1]] >= 0:
            course.append(int(heir[course[-1]]))
        hidden_px = 0.0 if is_source else radii[course[0]]
        if distance[course[-1]] - distance[course[0]] - hidden_px >= SHORTEST_PX:
            courses.append(course)
    return courses


def _smooth(pixels: Points) -> Points:
    """A smooth line through the pixels, with points one pixel apart; its ends stay where they are."""
    smooth = ndimage.gaussian_filter1d(pixels, _SMOOTHING_PX, axis=0, mode="nearest")
    smooth[0], smooth[-1] = pixels[0], pixels[-1]
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(smooth, axis=0), axis=1))])
    at = np.arange(0.0, along[-1] + 1e-9, 1.0)
    return np.stack([np.interp(at, along, smooth[:, axis]) for axis in (0, 1)], axis=1)


def _near_others(
    index: int,
    lines: list[Points],
    widths: list[NDArray[np.float64]],
    starts: list[NDArray[np.intp]],
) -> NDArray[np.bool_]:
    """(n,) where a line lies within another vessel, or another vessel leaves it."""
    line = lines[index]
    near = np.zeros(len(line), dtype=np.bool_)
    for other, (points, radii) in enumerate(zip(lines, widths, strict=True)):
        if other == index:
            continue
        leaves_here = np.linalg.norm(line - starts[other], axis=1).min() < 2
        if leaves_here:
            # The first points of a side branch lie in its parent, whose radius they have.
            own_radius = float(np.median(radii))
            near |= np.linalg.norm(line - starts[other], axis=1) < _SEPARATION * own_radius + 2
        else:
            distance, nearest = cKDTree(points).query(line)
            near |= distance < radii[nearest] + 1
    return near
